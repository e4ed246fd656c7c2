/**
 * A setting of the volume: bytes under a name. Only the caller knows what the bytes mean; a setting has no pointers.
 */
import { assert } from '../../lib/assert.ts'
import { layout } from '../fields.ts'
import { itemBytesMax } from '../geometry.ts'
import { structures } from '../kinds.ts'
import { bareReader, bareWriter } from '../value-codec.ts'
import { settingKeyBytesMax } from './item-keys.ts'

export const settingItemLayout = layout(
  'setting item',
  2,
  [
    ['kind', 0, 1, 'setting item'],
    ['version', 1, 1, 'of this layout'],
  ],
  [['value', 'opaque; what fits an item beside the longest name']],
)

/** Limit for a setting under any name. The 1 is the byte that counts pointers. */
export const settingBytesMax = itemBytesMax - settingKeyBytesMax - 1 - settingItemLayout.bytes

export function encodeSettingItem(setting: Uint8Array): Uint8Array {
  assert(setting.length <= settingBytesMax, 'a setting fits its item')
  const { bytes, w } = bareWriter(settingItemLayout, setting.length)
  w.head(structures.settingItem)
  bytes.set(setting, w.base + settingItemLayout.bytes)
  return bytes
}

/** Throws `corrupt`. */
export function decodeSettingItem(value: Uint8Array): Uint8Array {
  const r = bareReader(settingItemLayout, value)
  r.head(structures.settingItem)
  const setting = value.slice(r.base + settingItemLayout.bytes)
  if (setting.length > settingBytesMax) throw r.problem('kind', `is followed by ${setting.length} bytes`)
  return setting
}
