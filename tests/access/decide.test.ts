/** The decision, compared with a model that is written another way, and its edges. */
import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { type Action, anonymousReader, decide, everybody, nobody, type Who } from '../../src/access/decide.ts'
import { tokenRoles } from '../../src/format/items/token-setting.ts'

const actions: readonly Action[] = [
  'ask',
  'identify',
  'read',
  'query',
  'write',
  'history',
  'checkpoint',
  'monitor',
  'administer',
]
/** Each letter is an action in the order above. */
const letters: Readonly<Record<string, string>> = {
  reader: 'airqh',
  writer: 'airqwhc',
  monitor: 'aihm',
  admin: 'airqwhcmA',
}
const letterOf: Readonly<Record<Action, string>> = {
  ask: 'a',
  identify: 'i',
  read: 'r',
  query: 'q',
  write: 'w',
  history: 'h',
  checkpoint: 'c',
  monitor: 'm',
  administer: 'A',
}
const token = { id: 'a', name: 'n', createdMs: null, expiresMs: null }
const names = fc.array(fc.constantFrom('a', 'b', 'ab', 'a b', 'A'), { maxLength: 4 })

test('agrees with the model', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...tokenRoles),
      names,
      fc.constantFrom(...actions),
      fc.array(names, { maxLength: 3 }),
      (role, prefix, action, paths) => {
        // With an end behind each name, a prefix by segments is a prefix of the text.
        const text = (path: readonly string[]) => path.map((name) => `${name}/`).join('')
        const isInside = paths.every((path) => text(path).startsWith(text(prefix)))
        const mayAct = letters[role]!.includes(letterOf[action])
        const wanted = action === 'ask' || (mayAct && isInside) ? 'allow' : 403
        expect(decide({ token, role, prefix }, action, paths)).toBe(wanted)
        expect(decide({ token: null, role, prefix }, action, paths)).toBe(wanted === 403 ? 401 : 'allow')
      },
    ),
  )
})

describe('a prefix', () => {
  const who: Who = { token, role: 'writer', prefix: ['a', 'b'] }
  test.each([
    [['a', 'b'], 'allow'],
    [['a', 'b', 'c'], 'allow'],
    [['a'], 403],
    [[], 403],
    [['a', 'bc'], 403],
    [['ab'], 403],
    [['A', 'b'], 403],
    [['b', 'a'], 403],
  ] as const)('a/b and %p', (path, wanted) => {
    expect(decide(who, 'read', [path])).toBe(wanted)
    expect(decide(who, 'write', [['a', 'b'], path])).toBe(wanted)
    expect(decide(who, 'write', [path, ['a', 'b']])).toBe(wanted)
  })
})

test('who has no token', () => {
  for (const action of actions) {
    expect(decide(nobody, action, [])).toBe(action === 'ask' ? 'allow' : 401)
    expect(decide(everybody, action, [['x']])).toBe('allow')
    const reads = ['ask', 'identify', 'read', 'history'].includes(action)
    expect(decide(anonymousReader, action, [['x']])).toBe(reads ? 'allow' : 401)
  }
})
