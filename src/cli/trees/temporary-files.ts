/**
 * Names under which this run writes what is not whole yet. Each name is known until the entry has its own name or is
 * gone, so that a signal leaves none behind. A run that was killed leaves its names to the next run into the same
 * folder, which knows by the process in the name that nobody writes there any more.
 */
import * as fs from 'node:fs'
import { formatUuid, newUuid, type Random } from '../../lib/random.ts'

const form = /^\.stillpoint-(\d{1,10})-[0-9a-f-]{36}-\d+\.part$/

export class TemporaryFiles {
  private readonly run: string
  private count = 0
  private readonly open = new Set<string>()

  constructor(
    random: Random,
    private readonly processId = process.pid,
  ) {
    this.run = formatUuid(newUuid(random))
  }

  /** A name that no other file has, in this run or in another. */
  newName(): string {
    return `.stillpoint-${this.processId}-${this.run}-${this.count++}.part`
  }

  /** Remembers the path until `forget`. */
  add(path: string): void {
    this.open.add(path)
  }

  forget(path: string): void {
    this.open.delete(path)
  }

  /** Removes the file, if it is there. A failure is ignored, because the caller reports the one before. */
  remove(path: string): void {
    this.open.delete(path)
    try {
      fs.rmSync(path, { force: true })
    } catch {
      // The name says that nobody needs the file.
    }
  }

  removeAll(): void {
    for (const path of this.open) this.remove(path)
  }
}

/** True for the name of a run that has ended without removing it. */
export function isLeftBehind(name: string): boolean {
  const id = Number(form.exec(name)?.[1] ?? process.pid)
  return id !== process.pid && !isRunning(id)
}

function isRunning(processId: number): boolean {
  try {
    process.kill(processId, 0)
    return true
  } catch (error) {
    return (error as { readonly code?: string }).code !== 'ESRCH'
  }
}
