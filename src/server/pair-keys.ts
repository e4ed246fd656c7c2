/**
 * The lasting keys of a side, in a file of its own beside the block file: one key for each other side. A key is used
 * only after the file that has it is durable. Errors: UserError for a file that cannot be believed, StillpointError
 * for one that cannot be written.
 */
import { join } from 'node:path'
import { writePrivateFile } from '../blockdev/private-file.ts'
import { fromHex, toHex } from '../lib/bytes.ts'
import { StillpointError } from '../lib/errors.ts'
import { logger } from '../lib/log.ts'
import { Turn } from '../lib/turns.ts'
import { UserError } from '../lib/user-error.ts'
import type { StoredKeys } from '../replica/link/peer-keys.ts'
import { readPrivateFile } from './configuration/secret-file.ts'
import { hasFile } from './volume-folder.ts'

const pairKeysName = 'pair-keys.json'
/** More sides than any volume meets; the key that was made first leaves. */
const keysMax = 256
const fileBytesMax = 64 * 1024
const sideForm = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const keyForm = /^[0-9a-f]{64}$/

const log = logger('pairing')

export class PairKeys implements StoredKeys {
  private readonly turn = new Turn()

  private constructor(
    private readonly path: string,
    private keys: ReadonlyMap<string, Uint8Array>,
  ) {}

  static open(folder: string): PairKeys {
    const path = join(folder, pairKeysName)
    if (!hasFile(path)) return new PairKeys(path, new Map())
    const text = readPrivateFile(path, { what: 'file of pair keys', bytesMax: fileBytesMax })
    return new PairKeys(path, parse(path, text))
  }

  get isEmpty(): boolean {
    return this.keys.size === 0
  }

  get(side: string): Uint8Array | null {
    return this.keys.get(side) ?? null
  }

  put(side: string, key: Uint8Array): Promise<void> {
    return this.turn.within(async () => {
      const others = [...this.keys].filter(([other]) => other !== side)
      const keys = new Map([...others.slice(-(keysMax - 1)), [side, key]])
      await this.write(print(keys))
      this.keys = keys
    })
  }

  private async write(text: string): Promise<void> {
    try {
      await writePrivateFile(this.path, text)
    } catch (error) {
      log.error('the key of a pair cannot be kept: {error}', { error })
      throw new StillpointError('internal', 'the key of the pair cannot be kept', {}, { cause: error })
    }
  }
}

const print = (keys: ReadonlyMap<string, Uint8Array>): string =>
  `${JSON.stringify(Object.fromEntries([...keys].map(([side, key]) => [side, toHex(key)])), null, 2)}\n`

function parse(path: string, text: string): Map<string, Uint8Array> {
  const keys = new Map<string, Uint8Array>()
  for (const [side, key] of Object.entries(objectOf(path, text))) {
    if (!sideForm.test(side) || typeof key !== 'string' || !keyForm.test(key)) throw unusable(path)
    keys.set(side, fromHex(key))
  }
  return keys
}

function objectOf(path: string, text: string): object {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  } catch (error) {
    throw unusable(path, error)
  }
  throw unusable(path)
}

const unusable = (path: string, cause?: unknown): UserError =>
  new UserError(`${path} has no pair keys: move it away, and pair again (mirror --pair)`, { cause })
