/**
 * Runs the tasks of a tree, at most `tasksMax` at once. A task may add other tasks. The newest task runs first, so
 * that the list of waiting tasks stays as small as one directory for each level. A task that throws ends the pool, so
 * a task itself has to catch the failures that are only to be reported.
 */
export type Task = (add: (task: Task) => void) => Promise<void>

export async function runPool(first: Task, tasksMax: number): Promise<void> {
  const waiting: Task[] = [first]
  let running = 0
  let failed = false
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const add = (task: Task): void => {
    if (failed) return
    waiting.push(task)
    start()
  }
  const start = (): void => {
    while (running < tasksMax) {
      const task = waiting.pop()
      if (task === undefined) break
      running++
      task(add).then(finish, (error: unknown) => {
        waiting.length = 0
        failed = true
        reject(error)
      })
    }
    if (running === 0 && waiting.length === 0) resolve()
  }
  const finish = (): void => {
    running--
    start()
  }
  start()
  return promise
}
