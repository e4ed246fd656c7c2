import { describe, expect, test } from 'bun:test'
import { wishOf } from '../../tools/mutate/options.ts'
import { isInRooms, lowerFolders } from '../../tools/mutate/rooms.ts'

const wish = (line: string) => wishOf(line.split(' ').filter((word) => word !== ''))
const plain = {
  kind: 'edits',
  rooms: [...lowerFolders],
  changed: null,
  faults: null,
  sample: null,
  seed: 1,
  full: false,
  json: null,
}

test.each([
  ['', plain],
  ['--room lib --room cp-engine/log', { ...plain, rooms: ['lib', 'cp-engine/log'] }],
  ['--room replica', { ...plain, rooms: ['replica'] }],
  ['--changed HEAD~2 --full --json out.json', { ...plain, changed: 'HEAD~2', full: true, json: 'out.json' }],
  ['--sample 400', { ...plain, sample: 400 }],
  ['--sample 400 --seed 7', { ...plain, sample: 400, seed: 7 }],
  ['--faults blind --full', { ...plain, faults: 'blind', full: true }],
  ['--planted', { kind: 'planted', names: [] }],
  ['--planted one two', { kind: 'planted', names: ['one', 'two'] }],
])('understands "%s"', (line, expected) => expect(wish(line)).toEqual(expected as never))

test.each([
  ['--room kitchen', /no such room: kitchen/],
  ['--room cp', /no such room: cp/],
  ['lib', /not understood: lib/],
  ['--sample 0', /--sample/],
  ['--sample many', /--sample/],
  ['--seed 3', /--seed/],
  ['--sample 3 --seed x', /--seed/],
  ['--planted one --room lib', /--planted goes with names only/],
  ['--faults blind --sample 3', /--faults goes with/],
  ['--unheard', /unheard/],
  ['--changed', /changed/],
])('says why it does not understand "%s"', (line, expected) => {
  const answer = wish(line)
  expect(answer).toBeString()
  expect(answer).toMatch(expected)
})

describe('a room', () => {
  test.each([
    ['src/cp-engine/log/intent-log.ts', ['cp-engine/log'], true],
    ['src/cp-engine/log/intent-log.ts', ['cp-engine'], true],
    ['src/cp-engine/log/intent-log.ts', ['cp-engine/space', 'lib'], false],
    ['src/cp-engine/cp-engine.ts', ['cp-engine/cp'], false],
    ['src/fs/paths.ts', ['fs'], true],
    ['src/fs/paths.ts', ['fs/paths.ts'], true],
    ['src/fs/contract.ts', ['fs/paths.ts'], false],
    ['src/lib/lru.ts', lowerFolders, true],
    ['src/routes/http/server.ts', lowerFolders, false],
  ])('%s in %p: %p', (file, rooms, expected) => expect(isInRooms(file, rooms)).toBe(expected))
})
