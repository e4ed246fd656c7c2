/**
 * Each call of a command to the local file system fails, once or from then on: one clear sentence, exit code 1, no half
 * file under a name, and no half file on the server.
 */
import { afterEach, describe, expect, test } from 'bun:test'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { type Failure, FailingCalls, withEachFailure } from '../../failing-calls.ts'
import { servers } from '../cli-harness.ts'
import { temporaryFolders } from '../temporary-folder.ts'

const serve = servers()
const folder = temporaryFolders()
const codes = ['EIO', 'ENOSPC', 'EACCES', 'ENOENT', 'EMFILE']
const large = 'x'.repeat(2 ** 20 + 10)
/** Lines about entries, and one sentence at the end. */
const clear = /^(?:[^\n]+\n)*stillpoint: [^\n]+\n$/

let calls: FailingCalls | null = null
afterEach(() => calls?.restore())

const contentsOf = (root: string): Record<string, string> =>
  Object.fromEntries(
    fs
      .readdirSync(root, { recursive: true, encoding: 'utf8' })
      .filter((name) => fs.lstatSync(join(root, name)).isFile())
      .map((name) => [name, fs.readFileSync(join(root, name), 'utf8')]),
  )

interface Served {
  readonly served: ReturnType<typeof serve>
  readonly root: string
}

function checked(made: FailingCalls, failure: Failure | null, ended: { code: number; err: string }): void {
  if (ended.code === 0) {
    expect(ended.err).toBe('')
    // A look may fail without a consequence; a call that writes may not, and a close is one of those.
    if (failure !== null && made.hasFailed)
      expect(['statSync', 'lstatSync']).toContain(made.made[failure.at]!)
    return
  }
  expect(failure).not.toBeNull()
  expect(ended.code).toBe(1)
  expect(ended.err).toMatch(clear)
  expect(ended.err).not.toContain('internal error')
  expect(made.open).toBe(0)
}

describe.each([
  ['a small file', ['get', 'd/small', 'ROOT/in/small'], ['in/small']],
  ['a large file', ['get', 'd/large', 'ROOT/in/large'], ['in/large']],
  ['a tree', ['get', '-r', 'd', 'ROOT/in'], ['in/small', 'in/large', 'in/sub/f']],
] as const)('get of %s', (_name, inputs, written) => {
  test('has whole files, or none', async () => {
    const served = serve()
    for (const [path, body] of [
      ['d/small', 'small'],
      ['d/large', large],
      ['d/sub/f', 'below'],
    ] as const)
      await served.harness.request('PUT', `/v1/files/${path}`, { body })
    await served.harness.request('PUT', '/v1/files/d/link', { headers: { 'Stillpoint-Link': 'small' } })
    served.harness.publish()
    const honest: Record<string, string> = { 'in/small': 'small', 'in/large': large, 'in/sub/f': 'below' }
    await withEachFailure(codes, async (failure) => {
      const root = folder()
      fs.mkdirSync(join(root, 'in'))
      fs.writeFileSync(join(root, 'in/small'), 'old')
      calls = new FailingCalls(root, failure)
      const ended = await served.run(...inputs.map((text) => text.replace('ROOT', root)))
      calls.restore()
      checked(calls, failure, ended)
      const found = contentsOf(root)
      for (const name of written) {
        const content = found[name]
        if (ended.code === 0) expect(content === honest[name]).toBe(true)
        else if (content !== undefined && !(name === 'in/small' && content === 'old'))
          expect(content === honest[name]).toBe(true)
      }
      // What cannot be removed any more may stay, under a name that nobody takes for a file.
      if (failure?.isForGood !== true)
        expect(Object.keys(found).filter((name) => name.includes('.stillpoint-'))).toEqual([])
      return calls
    })
  }, 60_000)
})

describe.each([
  ['a small file', ['put', 'ROOT/small', 'd/small'], ['small']],
  ['a large file', ['put', 'ROOT/large', 'd/large'], ['large']],
  ['a tree', ['put', '-r', 'ROOT', 'd'], ['small', 'large', 'other', 'sub/f']],
] as const)('put of %s', (_name, inputs, written) => {
  test('has whole files on the server, or none, and says what is missing', async () => {
    const root = folder()
    const honest: Record<string, string> = { small: 'small', large, other: 'other', 'sub/f': 'below' }
    fs.mkdirSync(join(root, 'sub'))
    for (const [name, content] of Object.entries(honest)) fs.writeFileSync(join(root, name), content)
    fs.symlinkSync('small', join(root, 'link'))
    await withEachFailure(codes, async (failure) => {
      const { run, harness }: Served['served'] = serve()
      calls = new FailingCalls(root, failure)
      const ended = await run(...inputs.map((text) => text.replace('ROOT', root)))
      calls.restore()
      checked(calls, failure, ended)
      if (failure !== null && calls.hasFailed) expect(ended.code).toBe(1)
      for (const name of written) {
        const content = harness.content(`d/${name}`)
        if (content !== undefined) expect(content === honest[name]).toBe(true)
        else expect(ended.code).toBe(1)
      }
      return calls
    })
  }, 60_000)
})
