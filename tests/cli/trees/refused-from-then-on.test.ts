/**
 * A copy of a tree runs many requests beside each other. From the first, any, or the last of each kind on, the server
 * refuses all of that kind: the copy never ends as if nothing had happened, and counts nothing that is not there.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TreeReport } from '../../../src/cli/trees/tree-report.ts'
import { type ErrorCode, StillpointError } from '../../../src/lib/errors.ts'
import { problem } from '../../../src/routes/http/problem.ts'
import { oneJsonLine, servers } from '../cli-harness.ts'
import { temporaryFolders } from '../temporary-folder.ts'

const serve = servers()
const folder = temporaryFolders()

/** Three batches: two that fill up, and what is left at the end. */
const smallFiles = 410
const source = fs.mkdtempSync(join(tmpdir(), 'stillpoint-'))
beforeAll(() => {
  for (let i = 0; i < smallFiles; i++) {
    fs.mkdirSync(join(source, `d${i % 3}`), { recursive: true })
    fs.writeFileSync(join(source, `d${i % 3}/f${i}`), `content ${i}`)
  }
  for (let i = 0; i < 3; i++) {
    fs.writeFileSync(join(source, `large${i}`), Buffer.alloc(70_000, i))
    fs.symlinkSync(`f${i}`, join(source, `link${i}`))
  }
})
afterAll(() => fs.rmSync(source, { recursive: true }))

/** End the copy: nothing further could be copied. */
const fatal = ['unauthorized', 'forbidden', 'fenced', 'poisoned', 'disk-full', 'cp-gone'] as const
/** Concern one entry. */
const ofOne = ['bad-path', 'exists', 'corrupt', 'internal', 'busy', 'too-large'] as const

/** Requests that write, by what they are for. */
const writing = {
  'batches and files': (method: string, path: string) =>
    path === '/v1/batch' || (method === 'PUT' && path.startsWith('/v1/files/')),
  directories: (method: string, path: string) => method === 'PUT' && path.startsWith('/v1/dirs/'),
  'the last consistency point': (method: string, path: string) => method === 'POST' && path === '/v1/cps',
}
const reading = {
  contents: (method: string, path: string) => method === 'GET' && path.startsWith('/v1/files/'),
  pages: (method: string, path: string) => method === 'GET' && path.startsWith('/v1/dirs/'),
  'looks at the folder': (method: string, path: string) => method === 'GET' && path.startsWith('/v1/stat/'),
}
type IsOf = (method: string, path: string) => boolean

/** `from`: the index of the first request of its kind that is refused. */
function refusing(isOf: IsOf, from: number, code: ErrorCode) {
  let count = 0
  const served = serve((request) => {
    if (!isOf(request.method, new URL(request.url).pathname) || count++ < from) return null
    return problem(new StillpointError(code, 'refused by the test'))
  })
  return { ...served, asked: () => count }
}

const filesOf = (served: ReturnType<typeof serve>) =>
  served.harness.files.keys().filter((key) => /(?:\/f\d+|large\d)$/.test(key)).length

/** All of a fatal code; of another one the first, one in the middle, and the last. */
const positions = (count: number, isFatal: boolean): number[] => [
  ...new Set(isFatal ? Array.from({ length: count }, (_, i) => i) : [0, count >> 1, count - 1]),
]

describe('put -r', () => {
  for (const [name, isOf] of Object.entries(writing))
    test(
      name,
      async () => {
        const honest = refusing(isOf, Infinity, 'internal')
        expect(await honest.run('put', '-r', source, 'd')).toMatchObject({ code: 0 })
        expect(filesOf(honest)).toBe(smallFiles + 3)
        const count = honest.asked()
        for (const code of [...fatal, ...ofOne]) {
          const isFatal =
            (fatal as readonly string[]).includes(code) || isOf === writing['the last consistency point']
          for (const from of positions(count, code === 'disk-full')) {
            const served = refusing(isOf, from, code)
            const ended = await served.run('put', '-r', source, 'd', '--json')
            const row = [code, from, count]
            expect([...row, ended.code]).toEqual([...row, 1])
            expect(ended.err).toMatch(oneJsonLine)
            if (isFatal) expect([...row, ended.out, ended.err.includes(code)]).toEqual([...row, '', true])
            else {
              const report = JSON.parse(ended.out) as TreeReport
              expect([...row, report.files]).toEqual([...row, filesOf(served)])
              expect(report.failuresTotal).toBeGreaterThan(0)
            }
          }
        }
      },
      30_000,
    )
})

describe('get -r', () => {
  for (const [title, isOf] of Object.entries(reading))
    test(
      title,
      async () => {
        const fill = async (served: ReturnType<typeof serve>) => {
          for (const name of ['large0', 'large1', 'd0/f0', 'd0/f3', 'large2'])
            await served.harness.request('PUT', `/v1/files/d/${name}`, {
              body: fs.readFileSync(join(source, name)),
            })
          served.harness.publish()
          return served
        }
        const honest = refusing(isOf, Infinity, 'internal')
        await fill(honest)
        expect(await honest.run('get', '-r', 'd', join(folder(), 'new'))).toMatchObject({ code: 0 })
        const count = honest.asked()
        expect(count).toBeGreaterThan(0)
        for (const code of [...fatal, ...ofOne])
          for (const from of positions(count, true)) {
            const served = refusing(isOf, from, code)
            await fill(served)
            const target = join(folder(), 'new')
            const ended = await served.run('get', '-r', 'd', target, '--json')
            const row = [code, from, count]
            expect([...row, ended.code]).toEqual([...row, 1])
            expect(ended.err).toMatch(oneJsonLine)
            const found = fs.existsSync(target)
              ? fs
                  .readdirSync(target, { recursive: true, encoding: 'utf8' })
                  .filter((name) => /f\d|large/.test(name))
              : []
            // Whole files or none, and nothing under a temporary name.
            for (const name of found)
              expect(fs.readFileSync(join(target, name))).toEqual(fs.readFileSync(join(source, name)))
            if (ended.out !== '') expect((JSON.parse(ended.out) as TreeReport).files).toBe(found.length)
          }
      },
      30_000,
    )
})
