/** Readers that keep old CPs of one machine: whatever happens meanwhile, what they read stays as it was. */
import type { PublishedRoot, RootSource } from '../../src/cp-engine/contract.ts'
import type { Chance } from './chance.ts'

interface Pin {
  readonly root: PublishedRoot
  release(): void
}

export class HeldReaders {
  private pins: Pin[] = []

  constructor(
    private readonly chance: Chance,
    private readonly source: RootSource,
    /** Reads everything; must deal with its own errors. */
    private readonly check: (root: PublishedRoot) => Promise<void>,
    private readonly pinsMax: number,
  ) {}

  pin(): void {
    const readable = this.source.readable()
    if (this.pins.length >= this.pinsMax || readable.length === 0) return
    const isNewest = this.chance.below(4) > 0
    const root = isNewest ? readable.at(-1)! : this.chance.pick(readable)
    this.pins.push({ root, ...this.source.pin(root) })
  }

  async unpin(): Promise<void> {
    const [pin] = this.pins.splice(this.chance.below(this.pins.length + 1), 1)
    if (pin) await this.end(pin)
  }

  async releaseAll(): Promise<void> {
    for (const pin of this.pins.splice(0)) await this.end(pin)
  }

  /** Without a last look. */
  cut(root: PublishedRoot): void {
    const isCut = (pin: Pin) => pin.root.root.cp === root.root.cp
    const cut = this.pins.filter(isCut)
    this.pins = this.pins.filter((pin) => !isCut(pin))
    for (const pin of cut) pin.release()
  }

  private async end(pin: Pin): Promise<void> {
    await this.check(pin.root)
    pin.release()
  }
}
