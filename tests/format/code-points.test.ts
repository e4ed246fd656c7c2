/**
 * A text comes back as it was, whatever character it begins with, has in its middle, and ends with: every code point
 * through the decoders, and those that some decoder or editor treats in a way of its own through all that stores texts.
 */
import { describe, expect, test } from 'bun:test'
import { encodePath } from '../../sdk/src/paths.ts'
import { hasControl, textOf } from '../../src/format/fields.ts'
import { decodeDirectoryItem, encodeDirectoryItem } from '../../src/format/items/directory-item.ts'
import { decodeEntryExtra, encodeEntryExtra } from '../../src/format/items/entry-extra.ts'
import { decodeKey, entryKeyOf, entryNameBytes } from '../../src/format/items/item-keys.ts'
import { decodeTokenSetting, encodeTokenSetting } from '../../src/format/items/token-setting.ts'
import { decodeFrame, encodeFrame } from '../../src/format/wire/frames.ts'
import { nowhere } from '../../src/format/wire/messages.ts'
import { nameProblem, parseListedPath, parsePlainPath, parseUrlPath } from '../../src/fs/paths.ts'
import { decodeUtf8, encodeUtf8, ownText, showUtf8 } from '../../src/lib/bytes.ts'
import { makeCursor, readCursor } from '../../src/routes/http/cursor.ts'
import { parseLinkTarget } from '../../src/routes/v1/attributes.ts'
import { around, codePoints, oddOnes } from '../odd-characters.ts'

describe('every code point', () => {
  for (const [name, decode] of Object.entries({ decodeUtf8, showUtf8, ownText: null }))
    test(name, () => {
      const wrong: string[] = []
      for (const point of codePoints())
        for (const text of [`${String.fromCodePoint(point)}b`, `a${String.fromCodePoint(point)}`])
          if ((decode ? decode(encodeUtf8(text)) : ownText(text)) !== text) wrong.push(point.toString(16))
      expect(wrong).toEqual([])
    })
  test('of a stored text, unless it is a control character', () => {
    const wrong: string[] = []
    for (const point of codePoints()) {
      const text = String.fromCodePoint(point)
      const bytes = encodeUtf8(text)
      if (textOf(bytes, 0, bytes.length) !== (hasControl(text) ? null : text)) wrong.push(point.toString(16))
    }
    expect(wrong).toEqual([])
  })
})

/** Each gives a text back after it was stored, or sent. */
const ways: Record<string, (text: string) => unknown> = {
  'the key of an entry': (text) => decodeUtf8(entryNameBytes(entryKeyOf(1, text))),
  'a decoded key': (text) => {
    const key = decodeKey(entryKeyOf(1, text))
    return key.kind === 'entry' && key.name
  },
  'the item of a directory': (text) =>
    decodeDirectoryItem(encodeDirectoryItem({ parent: 1, name: text })).name,
  'the target of a link': (text) => decodeEntryExtra(encodeEntryExtra(extra({ target: text }))).target,
  'a content type': (text) => decodeEntryExtra(encodeEntryExtra(extra({ contentType: text }))).contentType,
  metadata: (text) => decodeEntryExtra(encodeEntryExtra(extra({ meta: [['a', text]] }))).meta[0]![1],
  'the name of a token': (text) => decodeTokenSetting(encodeTokenSetting(token({ name: text }))).name,
  'the prefix of a token': (text) => decodeTokenSetting(encodeTokenSetting(token({ prefix: text }))).prefix,
  'the detail of an error of a peer': (text) => {
    const frame = decodeFrame(encodeFrame({ ...head, kind: 'error', code: 'older-epoch', detail: text }))
    return frame?.kind === 'error' && frame.detail
  },
  'a cursor': (text) => readCursor(['s'], makeCursor(['s'], [text]))[0],
  'a path of a URL': (text) => parseUrlPath(encodePath(`d/${text}`)).at(-1),
  'a plain path': (text) => parsePlainPath(`d/${text}`).at(-1),
  'the first name of a plain path': (text) => parsePlainPath(`${text}/d`)[0],
  'a listed path': (text) => parseListedPath(`d/${text}`).at(-1),
  'the header of a link': (text) => parseLinkTarget(encodeURIComponent(text)),
}
const extra = (of: object) => ({ contentType: null, meta: [], target: null, unknown: [], ...of })
const token = (of: object) => ({
  sum: new Uint8Array(32),
  role: 'reader' as const,
  name: 'n',
  prefix: '',
  createdMs: 1,
  expiresMs: null,
  ...of,
})
const uuid = '11111111-1111-4111-8111-111111111111'
const epoch = { number: 1, id: new Uint8Array(8) }
const head = { number: 0, cp: 1, volume: uuid, session: uuid, base: nowhere, epoch }

describe('an odd character in', () => {
  for (const [name, back] of Object.entries(ways))
    test(name, () => {
      for (const odd of oddOnes)
        for (const text of around(odd)) if (nameProblem(text) === null) expect(back(text)).toBe(text)
    })
})
