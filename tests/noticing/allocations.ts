/**
 * What is allocated at once while something runs. A number that somebody announces is worth nothing before its bytes are
 * there, so no room may be made for more than the limit of what is announced.
 */

/** Largest number of bytes or elements that the work asks for in one piece. Only code that runs meanwhile is seen. */
export async function largestAllocation(work: () => unknown): Promise<number> {
  let largest = 0
  const note = (size: unknown): void => {
    if (typeof size === 'number') largest = Math.max(largest, size)
  }
  const watched = <T extends object>(made: T): T =>
    new Proxy(made, {
      construct(target, args, newTarget) {
        note(args[0])
        // No test needs the room itself where somebody asks for far too much.
        if (typeof args[0] === 'number' && args[0] > 2 ** 28) throw new RangeError('far too much')
        return Reflect.construct(target as never, args, newTarget) as object
      },
    })
  const before = {
    Uint8Array: globalThis.Uint8Array,
    Float64Array: globalThis.Float64Array,
    Uint32Array: globalThis.Uint32Array,
    ArrayBuffer: globalThis.ArrayBuffer,
  }
  const { from } = Array
  const { alloc, allocUnsafe } = Buffer
  try {
    for (const [name, made] of Object.entries(before)) Object.assign(globalThis, { [name]: watched(made) })
    Object.assign(Array, {
      from(source: ArrayLike<unknown>, ...rest: never[]) {
        if (!(Symbol.iterator in Object(source))) note(source.length)
        return (from as (...args: unknown[]) => unknown[]).call(Array, source, ...rest)
      },
    })
    const noted =
      (make: (size: number) => Buffer) =>
      (size: number): Buffer => {
        note(size)
        return make.call(Buffer, size)
      }
    Object.assign(Buffer, { alloc: noted(alloc as never), allocUnsafe: noted(allocUnsafe) })
    await work()
  } finally {
    Object.assign(globalThis, before)
    Object.assign(Array, { from })
    Object.assign(Buffer, { alloc, allocUnsafe })
  }
  return largest
}
