/**
 * A reader that takes its time: a file is opened once and read in pieces, while it is replaced, patched and deleted, and
 * while consistency points come and go. What it gets is the content of the moment at which it was opened, or an error.
 */
import { type OpenFile, type ReadView, bufferedBytesMax } from '../../src/fs/contract.ts'
import type { Clock } from '../../src/lib/clock.ts'
import type { Chance } from './chance.ts'
import { type Names, pathOf } from './file-operations.ts'

/** A reader comes to its end within a run; a file that many patches have grown takes more pieces. */
const piecesMax = 12

/** Pauses of virtual milliseconds: within one CP, over some, over many. */
const pauses = [0, 1, 5, 40, 300]

export async function readSlowly(
  view: ReadView,
  path: Names,
  clock: Pick<Clock, 'sleep'>,
  chance: Chance,
  opened: (file: OpenFile) => void,
): Promise<Uint8Array> {
  const file = await view.open(pathOf(path))
  try {
    opened(file)
    // An answer lets go of the image once it has the file; a page of a listing keeps it.
    if (chance.below(2) === 0) view.release()
    return chance.below(2) === 0 ? await inPieces(file, clock, chance) : await asStream(file, clock, chance)
  } finally {
    file.close()
  }
}

async function inPieces(file: OpenFile, clock: Pick<Clock, 'sleep'>, chance: Chance): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  const { size } = file.stat
  const wanted = Math.max(chance.pick([4096, 65_536, 300_000]), Math.ceil(size / piecesMax))
  const step = Math.min(wanted, bufferedBytesMax)
  const pause = chance.pick(pauses)
  for (let at = 0; at < size; at += step) {
    await clock.sleep(pause)
    parts.push((await file.read(at, Math.min(at + step, size))).slice())
  }
  return Buffer.concat(parts)
}

async function asStream(file: OpenFile, clock: Pick<Clock, 'sleep'>, chance: Chance): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  const stream = file.stream(0, file.stat.size)
  const keepsUp = chance.below(2) === 0
  const pause = chance.pick(pauses)
  try {
    for (;;) {
      if (keepsUp) stream.readAhead()
      else stream.rest()
      await clock.sleep(pause)
      const part = await stream.next()
      if (!part) return Buffer.concat(parts)
      // The bytes are the reader's until it asks for more.
      await clock.sleep(chance.below(3))
      parts.push(part.slice())
    }
  } finally {
    stream.close()
  }
}
