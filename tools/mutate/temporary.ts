/** Folders that go with the process, however it exits. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const live = new Set<string>()
process.once('exit', () => {
  for (const path of live) removeTemporary(path)
})

export function makeTemporary(name: string): string {
  const path = mkdtempSync(join(tmpdir(), `stillpoint-${name}-`))
  live.add(path)
  return path
}

export function removeTemporary(path: string): void {
  live.delete(path)
  rmSync(path, { recursive: true, force: true })
}
