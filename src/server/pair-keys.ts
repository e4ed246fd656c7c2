/**
 * The lasting keys of a side, in a file of its own beside the block file: one key for each other side, and which pairings
 * are not finished. A key is used only after the file that has it is durable. Errors: UserError for a file that cannot be believed, StillpointError
 * for one that cannot be written.
 */
import { join } from 'node:path'
import * as v from 'valibot'
import { writePrivateFile } from '../blockdev/private-file.ts'
import { fromHex, toHex } from '../lib/bytes.ts'
import { StillpointError } from '../lib/errors.ts'
import { logger } from '../lib/log.ts'
import { Turn } from '../lib/gates/turns.ts'
import { UserError } from '../lib/user-error.ts'
import { type KeptKeys, type StoredKeys, toPairMax } from '../replica/link/peer-keys.ts'
import { readPrivateFile } from './configuration/secret-file.ts'
import { hasFile } from './volume-folder.ts'

const pairKeysName = 'pair-keys.json'
/** More sides than any volume meets; the key that was made first leaves. */
const keysMax = 256
const fileBytesMax = 64 * 1024

const log = logger('pairing')

export class PairKeys implements StoredKeys {
  private readonly turn = new Turn()

  private constructor(
    private readonly path: string,
    private state: KeptKeys,
  ) {}

  static open(folder: string): PairKeys {
    const path = join(folder, pairKeysName)
    if (!hasFile(path)) return new PairKeys(path, { keys: new Map(), toPair: [], unused: [] })
    const text = readPrivateFile(path, { what: 'file of pair keys', bytesMax: fileBytesMax })
    return new PairKeys(path, parse(path, text))
  }

  get kept(): KeptKeys {
    return this.state
  }

  change(edit: (kept: KeptKeys) => KeptKeys): Promise<void> {
    return this.turn.within(async () => {
      const edited = edit(this.state)
      const kept = { ...edited, keys: new Map([...edited.keys].slice(-keysMax)) }
      await this.write(print(kept))
      this.state = kept
    })
  }

  private async write(text: string): Promise<void> {
    try {
      await writePrivateFile(this.path, text)
    } catch (error) {
      log.error('the keys of pairs cannot be kept: {error}', { error })
      throw new StillpointError('internal', 'the keys of pairs cannot be kept', {}, { cause: error })
    }
  }
}

const sideForm = v.pipe(v.string(), v.regex(/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/))
const keyForm = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/))
const fileForm = v.strictObject({
  keys: v.record(sideForm, keyForm),
  toPair: v.pipe(v.array(v.string()), v.maxLength(toPairMax)),
  unused: v.array(sideForm),
})

const print = ({ keys, toPair, unused }: KeptKeys): string =>
  `${JSON.stringify({ keys: Object.fromEntries([...keys].map(([side, key]) => [side, toHex(key)])), toPair, unused }, null, 2)}\n`

function parse(path: string, text: string): KeptKeys {
  const read = v.safeParse(fileForm, jsonOf(path, text))
  if (!read.success) throw unusable(path)
  const { keys, toPair, unused } = read.output
  return { keys: new Map(Object.entries(keys).map(([side, key]) => [side, fromHex(key)])), toPair, unused }
}

function jsonOf(path: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw unusable(path, error)
  }
}

const unusable = (path: string, cause?: unknown): UserError =>
  new UserError(`${path} has no pair keys: move it away, and pair again (mirror --pair)`, { cause })
