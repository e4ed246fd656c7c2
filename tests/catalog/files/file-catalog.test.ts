/** One pass at a time, over a volume in memory: what becomes of the rows, and what is said to have changed. */
import { describe, expect, test } from 'bun:test'
import { Database } from 'bun:sqlite'
import { cpSync, existsSync } from 'node:fs'
import { blockBytes } from '../../../src/format/geometry.ts'
import { type Subject, subjects } from './subject.ts'

const make = subjects()

const changesOf = (subject: Subject, cp: number): unknown[][] =>
  subject.query(
    `SELECT change, path, from_path, size_before, size_after FROM changes WHERE cp = ${cp} ORDER BY path, change`,
  )

describe('the rows', () => {
  test('a difference is applied to the rows of its base, and to no others', async () => {
    const subject = await make()
    await subject.put('a')
    const first = await subject.cp()
    await subject.put('b')
    const second = await subject.cp()
    expect((await subject.files.follow(first, second)).outcome).toBe('elsewhere')
    expect(await subject.files.fill(first)).toMatchObject({ outcome: 'done', state: { cp: first.cp } })
    expect(await subject.files.follow(first, second)).toMatchObject({
      outcome: 'done',
      state: { cp: second.cp },
    })
    expect(await subject.files.follow(first, second)).toMatchObject({
      outcome: 'elsewhere',
      state: { cp: second.cp },
    })
    expect(changesOf(subject, second.cp)).toEqual([['created', 'b', null, null, 1]])
  })

  test('a fill that is cut names nothing, whatever was named before, and a kill leaves it so', async () => {
    const subject = await make()
    for (let i = 0; i < 300; i++) await subject.put(`d/${i}`)
    const first = await subject.cp()
    await subject.files.fill(first)
    expect(subject.files.state().cp).toBe(first.cp)
    let breaks = 3
    let copied: unknown[] = []
    subject.onBreak = () => {
      if (--breaks !== 0) return
      const copy = `${subject.path}.copy`
      for (const suffix of ['', '-journal'])
        if (existsSync(subject.path + suffix)) cpSync(subject.path + suffix, copy + suffix)
      const database = new Database(copy)
      copied = database.query('SELECT cp, is_filling FROM catalog').values()[0]!
      database.close()
      subject.files.cancel()
    }
    expect(await subject.files.fill(first)).toMatchObject({ outcome: 'cancelled', state: { cp: null } })
    expect(copied).toEqual([null, 1])
  })

  test('a kill at any break of a pass leaves the rows and the changes of the CP that is named', async () => {
    const subject = await make()
    for (let i = 0; i < 200; i++) await subject.put(`d/${i}`)
    const first = await subject.cp()
    await subject.files.fill(first)
    for (let i = 0; i < 100; i++) await subject.put(`d/${3 * i}`)
    const second = await subject.cp()
    const rows = `SELECT cp, (SELECT count(*) FROM files), (SELECT count(*) FROM changes) FROM catalog`
    const before = [first.cp, 201, 0]
    let copies = 0
    subject.onBreak = () => {
      const copy = `${subject.path}.${copies++}`
      for (const suffix of ['', '-journal'])
        if (existsSync(subject.path + suffix)) cpSync(subject.path + suffix, copy + suffix)
      const database = new Database(copy)
      expect(database.query(rows).values()).toEqual([before])
      database.close()
    }
    expect((await subject.files.follow(first, second)).outcome).toBe('done')
    expect(copies).toBeGreaterThan(10)
    expect(subject.query(rows)).toEqual([[second.cp, 234, 100]])
  })

  test('an image with a block that does not match its checksum is never shown, and the rows stay', async () => {
    const subject = await make()
    for (let i = 0; i < 300; i++) await subject.put(`d/${i}`)
    const first = await subject.cp()
    await subject.files.fill(first)
    await subject.put('d/7', 5)
    const second = await subject.cp()
    // A punched block.
    subject.wrong.set(second.fileTree.pointer.address, new Uint8Array(blockBytes))
    const pass = await subject.files.follow(first, second)
    expect(pass).toMatchObject({ outcome: 'unreadable', state: { cp: first.cp } })
    expect(pass.reason).toContain('checksum')
    expect(subject.query(`SELECT sum(size) FROM files`)).toEqual([[300]])
    expect(subject.query(`SELECT count(*) FROM changes`)).toEqual([[0]])
    subject.wrong.clear()
    expect((await subject.files.follow(first, second)).outcome).toBe('done')
    expect(subject.query(`SELECT sum(size) FROM files`)).toEqual([[304]])
  })

  test('a commit waits for a program that reads the file', async () => {
    const subject = await make()
    await subject.put('a')
    const first = await subject.cp()
    await subject.files.fill(first)
    await subject.put('b')
    const second = await subject.cp()
    const reader = new Database(subject.path, { readonly: true })
    reader.run('BEGIN')
    expect(reader.query('SELECT count(*) FROM files').values()).toEqual([[1]])
    let waits = 0
    subject.onWait = () => {
      if (++waits < 5) return
      expect(reader.query('SELECT count(*) FROM files').values()).toEqual([[1]])
      reader.run('COMMIT')
    }
    expect((await subject.files.follow(first, second)).outcome).toBe('done')
    expect(waits).toBe(5)
    expect(reader.query('SELECT count(*) FROM files').values()).toEqual([[2]])
    reader.close()
  })

  test('each entry has the CP that last changed it, also when several are taken together, and a move keeps it', async () => {
    const subject = await make()
    await subject.put('old')
    const first = await subject.cp()
    await subject.files.fill(first)
    await subject.put('a')
    const second = await subject.cp()
    await subject.put('b')
    const third = await subject.cp()
    const record = new Database(subject.path)
    for (const { cp, hash, moment } of [first, second, third])
      record.run(
        `INSERT INTO cp_rows (cp, epoch, opening, sequence, root_hash, cause, send_ms, build_ms, commit_ms,
          blocks_written, bytes_written, coalesced, committed_ms) VALUES (?, ?, ?, ?, ?, '', 0, 0, 0, 0, 0, 0, 0)`,
        [cp, ...moment, hash],
      )
    record.close()
    await subject.files.follow(first, third)
    const cps = () => subject.query('SELECT name, cp FROM files ORDER BY name')
    expect(cps()).toEqual([
      ['a', second.cp],
      ['b', third.cp],
      ['old', null],
    ])
    await subject.move('a', 'c')
    await subject.put('old', 2)
    const fourth = await subject.cp()
    await subject.files.follow(third, fourth)
    const after = [
      ['b', third.cp],
      ['c', second.cp],
      ['old', fourth.cp],
    ]
    expect(cps()).toEqual(after)
    // A fill knows what the history knows.
    await subject.files.fill(fourth)
    expect(cps()).toEqual(after)
  })
})

describe('the changes', () => {
  test.each([
    [
      'a swap',
      [
        ['a', 'x'],
        ['b', 'a'],
        ['x', 'b'],
      ],
      [
        ['renamed', 'a', 'b', 2, 2],
        ['renamed', 'b', 'a', 1, 1],
      ],
    ],
    [
      'a file over another',
      [['a', 'b']],
      [
        ['deleted', 'b', null, 2, null],
        ['renamed', 'b', 'a', 1, 1],
      ],
    ],
    ['a file into a directory', [['a', 'd/a']], [['moved', 'd/a', 'a', 1, 1]]],
    ['a directory with all that is in it', [['d', 'e']], [['renamed', 'e', 'd', 0, 0]]],
  ] as const)('%s', async (_name, moves, expected) => {
    const subject = await make()
    await subject.put('a', 1)
    await subject.put('b', 2)
    await subject.put('d/f', 3)
    const first = await subject.cp()
    await subject.files.fill(first)
    for (const [from, to] of moves) await subject.move(from, to)
    const second = await subject.cp()
    await subject.files.follow(first, second)
    expect(changesOf(subject, second.cp)).toEqual(expected.map((row) => [...row]))
  })

  test('a file that takes the name of one that was renamed is created', async () => {
    const subject = await make()
    await subject.put('log', 10)
    const first = await subject.cp()
    await subject.files.fill(first)
    await subject.move('log', 'log.1')
    await subject.put('log', 3)
    const second = await subject.cp()
    await subject.files.follow(first, second)
    expect(changesOf(subject, second.cp)).toEqual([
      ['created', 'log', null, null, 3],
      ['renamed', 'log.1', 'log', 10, 10],
    ])
  })
})
