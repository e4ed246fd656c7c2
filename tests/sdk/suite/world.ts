/** The world of the suite: servers, sizes, and someone who cuts connections. Nothing here knows a runtime. */
import { Client, type ClientOptions, isClientError } from '../../../sdk/src/index.ts'

export interface Config {
  readonly primary: string
  readonly mirror: string
  /** Leads to the primary, and is cut when it is told to. */
  readonly door: string
  /** Takes orders to the door. */
  readonly control: string
  /** An address where nobody listens. */
  readonly nobody: string
  readonly streamBytes: number
  readonly entries: number
}

/** Cuts both directions of a connection after so many bytes of one. */
export interface Cut {
  readonly direction: 'up' | 'down'
  readonly afterBytes: number
  /** Nobody gets through until the door is mended: a browser tries by itself again. */
  readonly staysShut?: boolean
}

export interface World extends Config {
  /** A directory of the case alone. */
  readonly folder: string
  client(options?: ClientOptions): Client
  cut(cut: Cut): Promise<void>
  mend(): Promise<void>
  /** How often the door has cut. */
  cuts(): Promise<number>
}

export type Case = (world: World) => Promise<void>

/** Retries without a person waiting for them. */
const quick = { random: () => 0 }

export function worldOf(config: Config, folder: string): World {
  const order = async (path: string, body?: unknown): Promise<unknown> => {
    const answer = await fetch(config.control + path, { method: 'POST', body: JSON.stringify(body ?? {}) })
    return answer.json()
  }
  return {
    ...config,
    folder,
    client: (options = {}) => new Client(config.primary, { ...quick, ...options }),
    cut: async (cut) => void (await order('/cut', cut)),
    mend: async () => void (await order('/mend')),
    cuts: async () => ((await order('/cuts')) as { count: number }).count,
  }
}

export function equal(found: unknown, wanted: unknown, what = ''): void {
  const [a, b] = [found, wanted].map((value) => `${JSON.stringify(value)}`)
  if (a !== b) throw new Error(`${what} ${a?.slice(0, 300)} instead of ${b?.slice(0, 300)}`)
}

export function isTrue(found: boolean, what: string): void {
  if (!found) throw new Error(what)
}

/** Gives the code of the failure. */
export async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
  } catch (error) {
    if (isClientError(error)) return error.code
    throw error
  }
  throw new Error('a failure was expected')
}

/** Gives what was thrown. */
export async function thrownBy(work: Promise<unknown>): Promise<unknown> {
  try {
    await work
  } catch (error) {
    return error
  }
  throw new Error('a failure was expected')
}

/** A prime number of bytes, so that a part in a wrong place differs. */
const patternBytes = 65_521
const pattern = new Uint8Array(patternBytes)
for (let i = 0, state = 1; i < patternBytes; i++) {
  state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
  pattern[i] = state >>> 16
}

/** Bytes of a content without an end. */
export function bytesAt(offset: number, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length;) {
    const from = (offset + at) % patternBytes
    const piece = pattern.subarray(from, Math.min(patternBytes, from + length - at))
    bytes.set(piece, at)
    at += piece.length
  }
  return bytes
}

const pieceBytes = 64 * 1024

/** A content of so many bytes, made as it is read. `onMade` hears how much has been made. */
export function contentStream(
  bytes: number,
  { offset = 0, onMade }: { readonly offset?: number; readonly onMade?: (bytes: number) => void } = {},
): ReadableStream<Uint8Array> {
  let at = offset
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (at >= bytes) return controller.close()
        const length = Math.min(pieceBytes, bytes - at)
        controller.enqueue(bytesAt(at, length))
        at += length
        onMade?.(at)
      },
    },
    { highWaterMark: 0 },
  )
}

/** Reads to the end, and compares each byte. */
export async function checkContent(
  pieces: AsyncIterable<Uint8Array>,
  bytes: number,
  offset = 0,
): Promise<void> {
  let at = offset
  for await (const piece of pieces) {
    const wanted = bytesAt(at, piece.length)
    for (let i = 0; i < piece.length; i++)
      if (piece[i] !== wanted[i]) throw new Error(`another byte at ${at + i}`)
    at += piece.length
  }
  equal(at - offset, bytes - offset, 'bytes')
}
