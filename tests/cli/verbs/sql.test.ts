import { describe, expect, test } from 'bun:test'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { cpRow, open } from '../../catalog/rows.ts'
import { served } from '../../server/served.ts'
import { runCommand } from '../cli-harness.ts'
import { temporaryFolders } from '../temporary-folder.ts'

const folder = temporaryFolders()
const oneLine = /^stillpoint: [^\n]+\n$/

describe('of a folder, while the server has it open', () => {
  const filled = () => {
    const data = folder()
    const { catalog } = open(join(data, 'catalog.db'))
    catalog.recordCp(cpRow(9))
    catalog.recordCp(cpRow(10, { cause: 'requested' }))
    catalog.flush()
    return { data, catalog }
  }

  test('a table for people; JSON, CSV and NDJSON for programs', async () => {
    const { data, catalog } = filled()
    const query = 'SELECT cp, cause FROM cps ORDER BY cp'
    const run = (...flags: string[]) => runCommand(['sql', '--data', data, ...flags, query])
    const table = await run()
    expect([table.code, table.out]).toEqual([0, 'cp  cause\n 9  timer\n10  requested\n'])
    expect(JSON.parse((await run('--json')).out)).toEqual({
      cp: null,
      columns: [
        { name: 'cp', type: 'integer' },
        { name: 'cause', type: 'text' },
      ],
      rows: [
        [9, 'timer'],
        [10, 'requested'],
      ],
      truncated: false,
    })
    expect((await run('--csv')).out).toBe('cp,cause\r\n9,timer\r\n10,requested\r\n')
    expect((await run('--ndjson')).out).toBe('{"cp":9,"cause":"timer"}\n{"cp":10,"cause":"requested"}\n')
    const several = await run('--csv', '--ndjson')
    expect([several.code, several.out]).toEqual([2, ''])
    catalog.close()
  })

  test('a program gets the characters that are there, and a terminal none that it obeys', async () => {
    const { data, catalog } = filled()
    const query = "SELECT 'a' || char(27) || char(8238) || 'b' AS v"
    const run = (showsOutput: boolean, ...flags: string[]) =>
      runCommand(['sql', '--data', data, ...flags, query], { showsOutput })
    expect((await run(false, '--csv')).out).toBe('v\r\na\u001b\u202eb\r\n')
    expect((await run(true, '--csv')).out).toBe('v\r\na\\u001b\\u202eb\r\n')
    for (const isShown of [false, true]) {
      expect(JSON.parse((await run(isShown, '--ndjson')).out)).toEqual({ v: 'a\u001b\u202eb' })
      expect((await run(isShown)).out).toBe('v\na\\x1b\\x202eb\n')
    }
    catalog.close()
  })

  test('the same statements are refused as by a server', async () => {
    const { data, catalog } = filled()
    const names = readdirSync(data)
    for (const query of [
      'DELETE FROM cps',
      'SELECT * FROM meta',
      `ATTACH '${data}/x' AS x`,
      'SELECT 1; SELECT 2',
      '',
    ])
      expect(await runCommand(['sql', '--data', data, query])).toMatchObject({
        code: 1,
        out: '',
        err: expect.stringMatching(oneLine) as unknown,
      })
    expect(readdirSync(data)).toEqual(names)
    catalog.close()
  })

  test('integers beyond 2^53 are printed as they are, and texts are parameters', async () => {
    const { data, catalog } = filled()
    const query =
      'SELECT 9223372036854775807 AS most, -9007199254740993 AS less, 9007199254740991 AS safe, 1.5, ?, ?'
    const inputs = ['sql', '--data', data, '--param', 'a b', '--param', "it's"]
    const table = await runCommand([...inputs, query])
    expect([table.code, table.err]).toEqual([0, ''])
    expect(table.out).toContain("9223372036854775807  -9007199254740993  9007199254740991  1.5  a b  it's")
    const json = await runCommand([...inputs, '--json', query])
    expect((JSON.parse(json.out) as { rows: unknown }).rows).toEqual([
      ['9223372036854775807', '-9007199254740993', 9007199254740991, 1.5, 'a b', "it's"],
    ])
    catalog.close()
  })
})

describe('of a server', () => {
  const { folder: place, start } = served()

  test('in every format; .schema names the views', async () => {
    const server = await start(place())
    const put = await fetch(`${server.url}/v1/files/axb?durability=committed`, {
      method: 'PUT',
      body: 'x',
    })
    const { cp } = (await put.json()) as { cp: number }
    const run = (...inputs: string[]) =>
      runCommand(['sql', '--url', server.url, '--min-cp', String(cp), '--wait', '30', ...inputs])
    const query = 'SELECT path, size FROM files'
    expect(await run(query)).toMatchObject({ code: 0, out: 'path  size\naxb      1\n', err: '' })
    expect(JSON.parse((await run('--json', query)).out)).toMatchObject({ cp, rows: [['axb', 1]] })
    expect((await run('--csv', query)).out).toBe('path,size\r\naxb,1\r\n')
    expect((await run('--ndjson', query)).out).toBe('{"path":"axb","size":1}\n')
    const schema = await run('.schema files')
    expect(schema.out).toStartWith('files: Every entry')
    expect(schema.out).toMatch(/^path +text +path of the directory, slash, name$/m)
    expect((await run()).out).toMatch(/^audit: /m)
    expect(await run('.schema nothing')).toMatchObject({ code: 1, out: '' })
    const refused = await run('DELETE FROM files')
    expect([refused.code, refused.out]).toEqual([1, ''])
    expect(refused.err).toMatch(oneLine)
  })
})
