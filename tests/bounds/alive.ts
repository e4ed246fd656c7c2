/**
 * Collections that are alive, by the place in `src/` that makes them; also those that only a closure has. To be preloaded:
 * every module of `src/` is rewritten as it is loaded, and the collector tells which collections are gone.
 */
import { plugin } from 'bun'
import { readFileSync } from 'node:fs'
import { isRewritten, rewrite } from './collections.ts'

type Collection = Map<unknown, unknown> | Set<unknown> | unknown[]
type Maker = Readonly<{ Map: MapConstructor; Set: SetConstructor; list(made: unknown[]): unknown[] }>

let made: { readonly ref: WeakRef<Collection>; readonly name: string }[] = []
/** Names of collections that have had an entry. */
const used = new Set<string>()
const nameOfList = new WeakMap<unknown[], string>()
const makers = new Map<string, Maker>()

function remember<C extends Collection>(name: string, collection: C): C {
  made.push({ ref: new WeakRef<Collection>(collection), name })
  if (made.length > 2 ** 18) made = made.filter(({ ref }) => ref.deref() !== undefined)
  return collection
}

function makerOf(name: string): Maker {
  class WatchedMap extends Map<unknown, unknown> {
    constructor(entries?: Iterable<readonly [unknown, unknown]> | null) {
      super(entries)
      remember(name, this)
    }
    override set(key: unknown, value: unknown): this {
      used.add(name)
      return super.set(key, value)
    }
  }
  class WatchedSet extends Set<unknown> {
    constructor(entries?: Iterable<unknown> | null) {
      super(entries)
      remember(name, this)
    }
    override add(value: unknown): this {
      used.add(name)
      return super.add(value)
    }
  }
  return {
    Map: WatchedMap,
    Set: WatchedSet,
    list(list) {
      if (list.length > 0) used.add(name)
      nameOfList.set(list, name)
      return remember(name, list)
    },
  }
}

const { push } = Array.prototype
Object.assign(Array.prototype, {
  push(this: unknown[], ...items: unknown[]): number {
    const name = nameOfList.get(this)
    if (name !== undefined) used.add(name)
    return push.apply(this, items)
  },
})

Object.assign(globalThis, {
  collectionsOf(name: string): Maker {
    let maker = makers.get(name)
    if (!maker) makers.set(name, (maker = makerOf(name)))
    return maker
  },
})

plugin({
  name: 'watched sources',
  setup(build) {
    build.onLoad({ filter: /\/src\/.*\.ts$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8')
      const [, file] = /\/src\/((?:(?!\/src\/).)*)$/.exec(path)!
      return { contents: isRewritten(file!) ? rewrite(file!, text, true).text : text, loader: 'ts' }
    })
  },
})

export const usedNames = (): readonly string[] => [...used]

/** Collections and their entries, by name. */
export async function aliveNow(): Promise<ReadonlyMap<string, number>> {
  // A reference that was made in this turn keeps its collection until the turn has ended.
  for (let i = 0; i < 3; i++) {
    await new Promise<void>((resolve) => setImmediate(resolve))
    Bun.gc(true)
  }
  const counts = new Map<string, number>()
  made = made.filter(({ ref }) => ref.deref() !== undefined)
  for (const { ref, name } of made) {
    const collection = ref.deref()
    if (collection === undefined) continue
    const entries = Array.isArray(collection) ? collection.length : collection.size
    counts.set(name, (counts.get(name) ?? 0) + 1 + entries)
  }
  return counts
}
