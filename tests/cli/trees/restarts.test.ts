/**
 * `put -r` to a server that is killed and comes back between two requests, as a proxy that repeats, or a client that was
 * suspended, hides it: exit 0 means that all of the tree is in a published consistency point.
 */
import { describe, expect, test } from 'bun:test'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { Client } from '../../../sdk/src/client.ts'
import { Patience } from '../../../src/cli/trees/patience.ts'
import { putTree } from '../../../src/cli/trees/put-tree.ts'
import type { TreeReport } from '../../../src/cli/trees/tree-report.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { Harness } from '../../routes/harness.ts'
import { oneLine, servers } from '../cli-harness.ts'
import { temporaryFolders } from '../temporary-folder.ts'

const serve = servers()
const folder = temporaryFolders()

/** Files that go alone, files that go in batches, directories, a link. */
function makeTree(): string {
  const root = folder()
  for (const name of ['a', 'b', 'b/empty']) fs.mkdirSync(join(root, name))
  for (let i = 0; i < 5; i++) fs.writeFileSync(join(root, 'a', `small${i}`), `content ${i}`)
  for (let i = 0; i < 3; i++) fs.writeFileSync(join(root, 'b', `large${i}`), new Uint8Array(40_000).fill(i))
  fs.symlinkSync('../a', join(root, 'b/link'))
  return root
}
const entries = ['t', 't/a', 't/b', 't/b/empty', 't/b/link']
const names = [
  ...entries,
  ...[0, 1, 2, 3, 4].map((i) => `t/a/small${i}`),
  ...[0, 1, 2].map((i) => `t/b/large${i}`),
].toSorted()

test('a large tree: what a consistency point has is not sent again', async () => {
  const source = folder()
  for (let i = 0; i < 200; i++) fs.writeFileSync(join(source, `f${i}`), new Uint8Array(33_000))
  const harness = new Harness()
  const asked: string[] = []
  const client = new Client('http://test', {
    fetch: async (url, init) => {
      const request = new Request(url, init)
      const path = new URL(url).pathname
      asked.push(path)
      if (asked.length === 600) throw new Error('sent without an end')
      const cps = asked.filter((each) => each === '/v1/cps').length
      // The server is killed once,.
      if (path === '/v1/cps' && cps === 2 && !hasRestarted) {
        hasRestarted = true
        harness.restart()
      }
      return harness.primary.fetch(request)
    },
  })
  let hasRestarted = false
  const patience = new Patience(systemClock, () => 0)
  const tools = { client, patience, progress: { count() {}, end() {} }, unsettledMax: 20 }
  const report = await putTree(tools, source, ['t'])
  expect(report).toMatchObject({ files: 200, failures: [] })
  expect(harness.files.keys().length).toBe(201)
  expect(hasRestarted).toBe(true)
  const sent = asked.filter((path) => path.startsWith('/v1/files/')).length
  expect(sent).toBeGreaterThan(200)
  expect(sent).toBeLessThan(400)
})

describe('put -r and restarts of the server', () => {
  test.each([
    ['after each number of requests', 1],
    ['twice', 2],
  ])('%s: what was lost is sent again, and counts once', async (_when, restartsMax) => {
    const source = makeTree()
    let isTooLate = false
    for (let at = 0; !isTooLate; at++) {
      const asked: number[] = []
      const served = serve(() => {
        const index = asked.push(asked.length) - 1
        if (index >= at && index < at + restartsMax * 4 && (index - at) % 4 === 0) served.harness.restart()
        return null
      })
      const { code, out, err } = await served.run('put', '-r', source, '/t', '--json')
      expect([code, err, at]).toEqual([0, '', at])
      const { files } = served.harness
      expect(files.dirty).toBe(false)
      expect(files.keys()).toEqual(names)
      for (let i = 0; i < 5; i++) expect(served.harness.content(`t/a/small${i}`)).toBe(`content ${i}`)
      const report = JSON.parse(out) as TreeReport
      expect(report).toMatchObject({ files: 8, directories: 4, links: 1, failures: [], cp: files.published })
      isTooLate = at >= asked.length
    }
  })

  test('a restart before the consistency point alone: everything is sent again, entry by entry', async () => {
    const source = makeTree()
    let restarts = 0
    const served = serve((request) => {
      if (request.url.includes('/v1/cps') && restarts++ === 0) served.harness.restart()
      return null
    })
    expect((await served.run('put', '-r', source, '/t')).code).toBe(0)
    expect(served.harness.files.keys()).toEqual(names)
    const cps = served.requests.filter((line) => line.startsWith('POST /v1/cps'))
    expect(cps).toEqual(['POST /v1/cps?opening=run-0', 'POST /v1/cps?opening=run-1'])
  })

  test('a server that never stays up is one line, and 1', async () => {
    const source = makeTree()
    const served = serve((request) => {
      if (request.url.includes('/v1/cps')) served.harness.restart()
      return null
    })
    const { code, err } = await served.run('put', '-r', source, '/t')
    expect(code).toBe(1)
    expect(err).toMatch(oneLine)
    expect(err).toContain('10 times')
  })
})
