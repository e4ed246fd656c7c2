/** An engine that tells the history which request looked at which state, and which one was applied where. */
import { AsyncLocalStorage } from 'node:async_hooks'
import type * as contract from '../../src/cp-engine/contract.ts'
import type { CpEngine } from '../../src/cp-engine/cp-engine.ts'
import type { History, Request } from './history.ts'

const requests = new AsyncLocalStorage<Request>()

/** Everything that follows from `work` belongs to the request. */
export const asRequest = <T>(request: Request, work: () => Promise<T>): Promise<T> =>
  requests.run(request, work)

export const sequenceOf = (engine: CpEngine): number => engine['state'].sequence

export function observedEngine(engine: CpEngine, history: History): contract.Engine {
  const looked = () => {
    const request = requests.getStore()
    if (request) request.looked = sequenceOf(engine)
  }
  return instead<contract.Engine>(engine, {
    openView: () => observedView(engine.openView(), looked),
    run: (operation, options) =>
      engine.run((tx) => {
        history.claim(sequenceOf(engine), requests.getStore() ?? null)
        return operation(tx)
      }, options),
    runNow: (operation, records) =>
      engine.runNow((tx) => {
        history.claim(sequenceOf(engine), requests.getStore() ?? null)
        return operation(tx)
      }, records),
  })
}

const observedView = (view: contract.TreeView, looked: () => void): contract.TreeView =>
  instead<contract.TreeView>(view, {
    read: (look) =>
      view.read((items) => {
        looked()
        return look(items)
      }),
    readNow: (look) =>
      view.readNow((items) => {
        looked()
        return look(items)
      }),
  })

/** The same object, but for these. */
function instead<T extends object>(target: T, methods: Partial<T>): T {
  return new Proxy(target, {
    get(_target, key) {
      const replaced: unknown = Reflect.get(methods, key)
      if (replaced) return replaced
      const found: unknown = Reflect.get(target, key, target)
      if (typeof found !== 'function') return found
      return (...args: readonly unknown[]): unknown => Reflect.apply(found, target, args)
    },
  })
}
