/** Two ways of waiting one's turn. Both are first come, first served. */
import { assert } from '../../lib/assert.ts'

/**
 * Bounds what operations hold while they wait for more of the same: those that prepare several records would otherwise
 * fill the engine's queue together, each waiting for room that only the others could give.
 */
export class ByteGate {
  private free: number
  private readonly waiting: { readonly bytes: number; readonly enter: () => void }[] = []

  constructor(private readonly bytesMax: number) {
    this.free = bytesMax
  }

  async within<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    assert(bytes <= this.bytesMax, 'nobody asks for more than there is')
    if (this.waiting.length > 0 || bytes > this.free) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.waiting.push({ bytes, enter: resolve })
      await promise
    } else this.free -= bytes
    try {
      return await work()
    } finally {
      this.free += bytes
      this.admit()
    }
  }

  private admit(): void {
    for (let next = this.waiting[0]; next && next.bytes <= this.free; next = this.waiting[0]) {
      this.free -= next.bytes
      this.waiting.shift()
      next.enter()
    }
  }
}

/** Work under one name runs one after the other; under different names it does not wait. */
export class Turns {
  private readonly last = new Map<string, Promise<void>>()

  async take<T>(name: string, work: () => Promise<T>): Promise<T> {
    const before = this.last.get(name)
    const { promise, resolve } = Promise.withResolvers<void>()
    this.last.set(name, promise)
    try {
      await before
      return await work()
    } finally {
      resolve()
      if (this.last.get(name) === promise) this.last.delete(name)
    }
  }
}
