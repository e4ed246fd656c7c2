/** The rules by which an answer is compared with a documented one let through what differs, and nothing else. */
import { expect, test } from 'bun:test'
import { difference, missingLine } from './volatile.ts'

test.each([
  ['numbers of consistency points', { cp: 42 }, { cp: 7 }],
  ['entity tags', { etag: '"1-2-3"' }, { etag: '"0-1-4b"' }],
  ['times', { created: '2026-01-31T12:00:00.000Z' }, { created: '2030-01-01T00:00:00.123456789Z' }],
  ['what ends in its unit', { lagMs: 0, heldBytes: null }, { lagMs: 3, heldBytes: 4096 }],
  ['members of members', { items: [{ cp: 1, name: 'a' }] }, { items: [{ cp: 2, name: 'a' }] }],
])('%s differ', (_, documented, sent) => expect(difference(documented, sent)).toBeNull())

test.each([
  ['a value', { size: 13 }, { size: 14 }],
  ['a member that is gone', { size: 13, kind: 'file' }, { size: 13 }],
  ['a member that is new', { size: 13 }, { size: 13, more: null }],
  ['a number that is a text', { cp: 42 }, { cp: '42' }],
  ['a page that is the last one', { next: 'abc' }, { next: null }],
  ['a page that is not the last one', { next: null }, { next: 'abc' }],
  ['a measure that is a text', { lagMs: 1 }, { lagMs: '1' }],
  ['a member of a rule that is gone', { cp: 42 }, {}],
  ['an item more', { items: ['a'] }, { items: ['a', 'b'] }],
  ['a list that is an object', { items: [] }, { items: {} }],
  ['a time without a zone', { created: '2026-01-31T12:00:00.000Z' }, { created: '2026-01-31T12:00:00.000' }],
])('%s is found', (_, documented, sent) => expect(difference(documented, sent)).not.toBeNull())

test('a part needs its own members only', () => {
  expect(difference({ a: 1 }, { a: 1, b: 2 }, true)).toBeNull()
  expect(difference({ a: 1 }, { a: 2, b: 2 }, true)).not.toBeNull()
  expect(difference({ a: { b: 1 } }, { a: { b: 1, c: 2 } }, true)).not.toBeNull()
})

test('of a part a list has its elements among others, in any order, each whole', () => {
  expect(difference({ a: [{ b: 1 }] }, { a: [{ b: 2 }, { b: 1 }] }, true)).toBeNull()
  expect(difference({ a: [{ b: 1 }] }, { a: [{ b: 1, c: 2 }] }, true)).not.toBeNull()
  expect(difference({ a: [{ b: [1] }] }, { a: [{ b: [1, 2] }] }, true)).not.toBeNull()
})

test('what varies is there, with any value', () => {
  expect(difference({ role: 'primary' }, { role: 'mirror' }, false, '', ['role'])).toBeNull()
  expect(difference({ role: 'primary' }, {}, false, '', ['role'])).not.toBeNull()
  expect(difference({ role: 'primary', a: 1 }, { role: 'mirror', a: 2 }, false, '', ['role'])).not.toBeNull()
})

test('of a text every line has to be there, whatever its numbers are', () => {
  expect(missingLine('id: 42\n', 'event: x\nid: 7\n\n')).toBeNull()
  expect(missingLine('id: 42\n', 'event: x\nid: seven\n')).toBe('the answer lacks the line "id: 42"')
})
