/**
 * Reads and changes the settings of the volume. A setting is opaque bytes under a name, and an item of the tree as
 * files are. So operations change settings (logged, all or nothing, on every mirror), and a view shows the settings
 * of its CP.
 */
import type { ItemReader, Tx } from '../../cp-engine/contract.ts'
import { isSettingName, settingKey, settingNameBytesMax, settingRange } from '../../format/items/item-keys.ts'
import { decodeSettingItem, encodeSettingItem, settingBytesMax } from '../../format/items/setting-item.ts'
import { decodeUtf8 } from '../../lib/bytes.ts'
import { StillpointError } from '../../lib/errors.ts'
import type { Setting, SettingPage, SettingsEdit } from '../contract.ts'

function keyOf(name: string): Uint8Array {
  if (isSettingName(name)) return settingKey(name)
  const why = `the name of a setting is 1 to ${settingNameBytesMax} bytes of visible ASCII`
  throw new StillpointError('bad-parameter', why)
}

export function getSetting(items: ItemReader, name: string): Uint8Array | null {
  const value = items.get(keyOf(name))
  return value && decodeSettingItem(value)
}

/** Returns settings in the order of their names. */
export function listSettings(items: ItemReader, { prefix, after, limit }: SettingPage): Setting[] {
  if (prefix !== '') keyOf(prefix)
  const { from, end } = settingRange(prefix)
  // One more item is scanned, because the first may be the position itself.
  const found = items.scan(after === null ? from : keyOf(after), end, limit + 1)
  return found
    .map(({ key, value }) => ({ name: decodeUtf8(key.subarray(1)), value: decodeSettingItem(value) }))
    .filter(({ name }) => name !== after)
    .slice(0, limit)
}

export class SettingsOf implements SettingsEdit {
  constructor(private readonly tx: Tx) {}

  get(name: string): Uint8Array | null {
    return getSetting(this.tx, name)
  }

  list(page: SettingPage): readonly Setting[] {
    return listSettings(this.tx, page)
  }

  put(name: string, value: Uint8Array): void {
    const key = keyOf(name)
    if (value.length > settingBytesMax)
      throw new StillpointError('too-large', `a setting has at most ${settingBytesMax} bytes`, {
        bytesMax: settingBytesMax,
      })
    this.tx.put(key, encodeSettingItem(value))
  }

  delete(name: string): void {
    this.tx.delete(keyOf(name))
  }
}
