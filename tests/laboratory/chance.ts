/**
 * Chance for one actor of a simulation. Each actor has a stream of its own, named under the seed: what one of them draws
 * never shifts what another one gets.
 */
import { seededRandom } from '../../src/lib/random.ts'

export class Chance {
  private readonly stream: ReturnType<typeof seededRandom>

  constructor(readonly name: string) {
    this.stream = seededRandom(Number(Bun.hash.xxHash3(name) & 0xffff_ffffn))
  }

  of(actor: string): Chance {
    return new Chance(`${this.name}/${actor}`)
  }

  below = (limit: number): number => this.stream.below(limit)
  bytes = (length: number): Uint8Array => this.stream.bytes(length)

  between(low: number, high: number): number {
    return low + this.below(high - low + 1)
  }

  /** Of a million. */
  happens(perMillion: number): boolean {
    return perMillion > 0 && this.below(1_000_000) < perMillion
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!
  }

  /** One of the names, by weight. */
  weighted<Name extends string>(weights: Readonly<Record<Name, number>>): Name {
    const names = Object.keys(weights) as Name[]
    let left = this.below(names.reduce((sum, name) => sum + weights[name], 0))
    for (const name of names) {
      left -= weights[name]
      if (left < 0) return name
    }
    return names[0]!
  }
}
