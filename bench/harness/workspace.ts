/** A folder of the run on a real disk, its processes, its mounts; all of it is gone when the run ends. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { Processes } from './processes.ts'

export class Workspace {
  readonly processes = new Processes()
  readonly path: string
  private readonly undo: (() => void)[] = []
  private folders = 0

  constructor(parent: string) {
    mkdirSync(parent, { recursive: true })
    removeLeftovers(parent)
    this.path = mkdtempSync(join(parent, `bench-${process.pid}-`))
  }

  /** A new, empty folder. */
  folder(name: string): string {
    const path = join(this.path, `${++this.folders}-${name}`)
    mkdirSync(path)
    return path
  }

  remove(path: string): void {
    rmSync(path, { recursive: true, force: true })
  }

  /** Runs when the workspace goes, last one first; must not wait. */
  whenClosed(action: () => void): void {
    this.undo.push(action)
  }

  async close(): Promise<void> {
    await this.processes.stopAll()
    this.drop()
  }

  /** What a scenario has left: the next one finds an empty disk and nothing running. */
  async clear(): Promise<void> {
    await this.processes.stopAll()
    for (const action of this.undo.splice(0).reverse()) action()
    for (const name of readdirSync(this.path)) this.remove(join(this.path, name))
    await this.settle()
  }

  /** What somebody has left in the page cache is not for the next one to write. */
  async settle(): Promise<void> {
    await this.processes.run(['sync', '-f', this.path])
  }

  /** Without waiting: for the end of an interrupted run. */
  drop(): void {
    this.processes.killAll()
    for (const action of this.undo.splice(0).reverse()) action()
    rmSync(this.path, { recursive: true, force: true })
  }
}

/** Of runs that were killed: their processes are gone, their data and mounts are not. */
function removeLeftovers(parent: string): void {
  for (const name of readdirSync(parent)) {
    const pid = /^bench-(\d+)-/.exec(name)?.[1]
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue
    const path = join(parent, name)
    const mounts = readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .map((line) => line.split(' ')[1] ?? '')
    for (const at of mounts.filter((mount) => mount.startsWith(`${path}/`))) Bun.spawnSync(['umount', at])
    rmSync(path, { recursive: true, force: true })
  }
}

/** For programs that cannot take port 0. Somebody else may take it in between: the start then fails. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      const port = typeof address === 'object' && address !== null ? address.port : 0
      server.close(() => resolve(port))
    })
  })
}
