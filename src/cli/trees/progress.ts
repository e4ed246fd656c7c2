/**
 * Shows counts on stderr while a command works; silent when nobody looks. Progress only rewrites one line: a library
 * that puts the terminal into raw mode also takes Ctrl-C, and an interrupted copy must not exit with 0.
 */
import type { CliContext } from '../command/context.ts'

export interface Progress {
  /** Counts one more entry that is done. */
  count(bytes: number): void
  /** Takes the line away, whether the work has succeeded or failed. */
  end(): void
}

const silent: Progress = { count: () => {}, end: () => {} }
const redrawMs = 100
/** Bytes, because text never has what a terminal obeys. */
const eraseLine = new TextEncoder().encode('\r\u001b[K')

export function startProgress(context: CliContext, verb: string, isJson: boolean): Progress {
  if (!context.showsProgress || isJson) return silent
  const { clock } = context
  const { stderr } = context.process
  let entries = 0
  let bytes = 0
  let drawnMs = -redrawMs
  const draw = (): void => {
    if (clock.monotonic() - drawnMs < redrawMs) return
    drawnMs = clock.monotonic()
    stderr.write(eraseLine)
    stderr.write(`${verb}: ${entries} entries, ${formatBytes(bytes)}`)
  }
  draw()
  return {
    count(more) {
      entries++
      bytes += more
      draw()
    },
    end: () => void stderr.write(eraseLine),
  }
}

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const

export function formatBytes(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}
