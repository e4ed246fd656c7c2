/**
 * XXH3-64 as its public specification has it, in whole numbers without an end and in the order of the text: slow,
 * without a branch for speed, and with nothing in common with what the program uses. The oracle for its known answers.
 */
const secret = Uint8Array.fromHex(
  [
    'b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f',
    'cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c',
    '3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8',
    'a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364',
    'eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e',
    '2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e',
  ].join(''),
)

const mask32 = 0xffffffffn
const mask64 = 0xffffffffffffffffn
const prime32 = [0x9e3779b1n, 0x85ebca77n, 0xc2b2ae3dn] as const
const prime64 = [
  0x9e3779b185ebca87n,
  0xc2b2ae3d27d4eb4fn,
  0x165667b19e3779f9n,
  0x85ebca77c2b2ae63n,
  0x27d4eb2f165667c5n,
] as const
const primeMix1 = 0x165667919e3779f9n
const primeMix2 = 0x9fb21c651e98df25n

const stripeBytes = 64
const secretStep = 8
const stripesPerBlock = (secret.length - stripeBytes) / secretStep

const add = (...numbers: bigint[]): bigint => numbers.reduce((a, b) => (a + b) & mask64, 0n)
const mul = (a: bigint, b: bigint): bigint => (a * b) & mask64
const shiftXor = (a: bigint, bits: bigint): bigint => a ^ (a >> bits)
const rotate = (a: bigint, bits: bigint): bigint => ((a << bits) | (a >> (64n - bits))) & mask64

function little(bytes: Uint8Array, at: number, count: number): bigint {
  let value = 0n
  for (let i = count - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[at + i]!)
  return value
}
const swapped32 = (a: bigint): bigint =>
  ((a & 0xffn) << 24n) | ((a & 0xff00n) << 8n) | ((a >> 8n) & 0xff00n) | ((a >> 24n) & 0xffn)
const swapped64 = (a: bigint): bigint => (swapped32(a & mask32) << 32n) | swapped32(a >> 32n)

function foldedProduct(a: bigint, b: bigint): bigint {
  const product = a * b
  return (product & mask64) ^ (product >> 64n)
}

function avalanche(hash: bigint): bigint {
  const mixed = mul(shiftXor(hash, 37n), primeMix1)
  return shiftXor(mixed, 32n)
}

function avalancheOld(hash: bigint): bigint {
  const first = mul(shiftXor(hash, 33n), prime64[1])
  const second = mul(shiftXor(first, 29n), prime64[2])
  return shiftXor(second, 32n)
}

export function xxh3Reference(input: Uint8Array, seed: bigint): bigint {
  const { length } = input
  if (length === 0) return avalancheOld(seed ^ little(secret, 56, 8) ^ little(secret, 64, 8))
  if (length <= 3) return upTo3(input, seed)
  if (length <= 8) return upTo8(input, seed)
  if (length <= 16) return upTo16(input, seed)
  if (length <= 128) return upTo128(input, seed)
  if (length <= 240) return upTo240(input, seed)
  return long(input, seed)
}

function upTo3(input: Uint8Array, seed: bigint): bigint {
  const { length } = input
  const [first, middle, last] = [input[0]!, input[length >> 1]!, input[length - 1]!]
  const combined = (BigInt(first) << 16n) | (BigInt(middle) << 24n) | BigInt(last) | (BigInt(length) << 8n)
  const flip = add(little(secret, 0, 4) ^ little(secret, 4, 4), seed)
  return avalancheOld(combined ^ flip)
}

function upTo8(input: Uint8Array, seed: bigint): bigint {
  const { length } = input
  const seeded = seed ^ (swapped32(seed & mask32) << 32n)
  const combined = add(little(input, length - 4, 4), little(input, 0, 4) << 32n)
  const flip = add(little(secret, 8, 8) ^ little(secret, 16, 8), -seeded)
  const value = combined ^ flip
  const turned = value ^ rotate(value, 49n) ^ rotate(value, 24n)
  const mixed = mul(turned, primeMix2)
  const lengthened = mixed ^ add(mixed >> 35n, BigInt(length))
  return shiftXor(mul(lengthened, primeMix2), 28n)
}

function upTo16(input: Uint8Array, seed: bigint): bigint {
  const { length } = input
  const flipLow = add(little(secret, 24, 8) ^ little(secret, 32, 8), seed)
  const flipHigh = add(little(secret, 40, 8) ^ little(secret, 48, 8), -seed)
  const low = little(input, 0, 8) ^ flipLow
  const high = little(input, length - 8, 8) ^ flipHigh
  return avalanche(add(BigInt(length), swapped64(low), high, foldedProduct(low, high)))
}

function mix16(input: Uint8Array, at: number, secretAt: number, seed: bigint): bigint {
  const low = little(input, at, 8) ^ add(little(secret, secretAt, 8), seed)
  const high = little(input, at + 8, 8) ^ add(little(secret, secretAt + 8, 8), -seed)
  return foldedProduct(low, high)
}

function upTo128(input: Uint8Array, seed: bigint): bigint {
  const { length } = input
  let sum = mul(BigInt(length), prime64[0])
  for (let round = Math.floor((length - 1) / 32); round >= 0; round--) {
    sum = add(sum, mix16(input, 16 * round, 32 * round, seed))
    sum = add(sum, mix16(input, length - 16 * (round + 1), 32 * round + 16, seed))
  }
  return avalanche(sum)
}

function upTo240(input: Uint8Array, seed: bigint): bigint {
  const { length } = input
  let sum = mul(BigInt(length), prime64[0])
  for (let round = 0; round < 8; round++) sum = add(sum, mix16(input, 16 * round, 16 * round, seed))
  sum = avalanche(sum)
  for (let round = 8; round < Math.floor(length / 16); round++)
    sum = add(sum, mix16(input, 16 * round, 16 * (round - 8) + 3, seed))
  return avalanche(add(sum, mix16(input, length - 16, 136 - 17, seed)))
}

function seededSecret(seed: bigint): Uint8Array {
  const own = new Uint8Array(secret.length)
  const view = new DataView(own.buffer)
  for (let at = 0; at < secret.length; at += 16) {
    view.setBigUint64(at, add(little(secret, at, 8), seed), true)
    view.setBigUint64(at + 8, add(little(secret, at + 8, 8), -seed), true)
  }
  return own
}

function long(input: Uint8Array, seed: bigint): bigint {
  const { length } = input
  const own = seededSecret(seed)
  const lanes: bigint[] = [
    prime32[2],
    prime64[0],
    prime64[1],
    prime64[2],
    prime64[3],
    prime32[1],
    prime64[4],
    prime32[0],
  ]
  const accumulate = (at: number, secretAt: number): void => {
    for (let lane = 0; lane < 8; lane++) {
      const value = little(input, at + 8 * lane, 8)
      const key = value ^ little(own, secretAt + 8 * lane, 8)
      lanes[lane ^ 1] = add(lanes[lane ^ 1]!, value)
      lanes[lane] = add(lanes[lane]!, mul(key & mask32, key >> 32n))
    }
  }
  const scramble = (): void => {
    for (let lane = 0; lane < 8; lane++) {
      const key = little(own, own.length - stripeBytes + 8 * lane, 8)
      lanes[lane] = mul(shiftXor(lanes[lane]!, 47n) ^ key, prime32[0])
    }
  }
  const blockLength = stripeBytes * stripesPerBlock
  const blocks = Math.floor((length - 1) / blockLength)
  for (let block = 0; block < blocks; block++) {
    for (let stripe = 0; stripe < stripesPerBlock; stripe++)
      accumulate(block * blockLength + stripe * stripeBytes, stripe * secretStep)
    scramble()
  }
  const rest = blocks * blockLength
  const stripes = Math.floor((length - 1 - rest) / stripeBytes)
  for (let stripe = 0; stripe < stripes; stripe++)
    accumulate(rest + stripe * stripeBytes, stripe * secretStep)
  accumulate(length - stripeBytes, own.length - stripeBytes - 7)

  let sum = mul(BigInt(length), prime64[0])
  for (let pair = 0; pair < 4; pair++) {
    const at = 11 + 16 * pair
    sum = add(
      sum,
      foldedProduct(lanes[2 * pair]! ^ little(own, at, 8), lanes[2 * pair + 1]! ^ little(own, at + 8, 8)),
    )
  }
  return avalanche(sum)
}
