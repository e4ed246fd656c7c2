/**
 * A real source tree through the command line, there and back, beside rsync and cp; all of it synced at the end.
 *
 * Copies stay until the workspace goes: ext4 gives no inode again for a minute or more, and for every new file looks
 * through those that were deleted (measured: 20,000 files by rsync 2.3 s, and 11.6 s after a tree had been deleted).
 */
import { copyFileSync, lstatSync, mkdirSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { rivalAbsence } from '../harness/contestants.ts'
import {
  type Absent,
  type Bench,
  type Contestant,
  metrics,
  type Row,
  type Scenario,
} from '../harness/contract.ts'
import { projectRoot } from '../harness/machine.ts'
import { stateHash } from '../harness/state.ts'
import { filesOfFolder } from '../servers/server.ts'
import { ask, programOf, startPrimary } from '../servers/stillpoint.ts'

/** Where files of everyday shape are found; in this order, until there are enough. */
const origins = [join(projectRoot, 'node_modules'), '/usr/include', '/usr/lib/python3', '/usr/share']
const fileBytesMax = 2 ** 20

export const trees: Scenario = {
  name: 'trees',
  rows: ({ treeFiles }) =>
    (
      [
        ['tree-put', 'put -r of'],
        ['tree-get', 'get -r of'],
      ] as const
    ).map(([id, what]) => ({
      id,
      title: `${what} ${treeFiles.toLocaleString('en-US')} real files`,
      metrics: [metrics.time, { name: 'files', unit: '/s', better: 'higher' }],
      roundsMax: 3,
    })),
  async open(bench) {
    const source = join(bench.workspace.folder('tree'), 'source')
    copyTree(source, bench.scale.treeFiles)
    return [
      await stillpointTree(bench, source),
      copying(bench, 'rsync', (target) => ['rsync', '-a', `${source}/`, `${target}/`]),
      copying(bench, 'cp', (target) => ['cp', '-a', `${source}/.`, target]),
    ]
  },
}

function copyTree(target: string, count: number): void {
  let copied = 0
  for (const origin of origins) {
    for (const path of walk(origin)) {
      if (copied === count) return
      const file = join(target, path)
      mkdirSync(dirname(file), { recursive: true })
      copyFileSync(join(origin, path), file)
      copied++
    }
  }
  if (copied < count) throw new Error(`this machine has ${copied} files of a tree of ${count}`)
}

/** Regular files that are not too large, in the order of their names. */
function* walk(root: string, below = ''): Generator<string> {
  let names: string[]
  try {
    names = readdirSync(join(root, below)).sort()
  } catch {
    return
  }
  for (const name of names) {
    const path = join(below, name)
    const stat = lstatSync(join(root, path))
    if (stat.isDirectory()) yield* walk(root, path)
    else if (stat.isFile() && stat.size <= fileBytesMax) yield path
  }
}

async function stillpointTree(bench: Bench, source: string): Promise<Contestant> {
  const { processes } = bench.workspace
  const server = await startPrimary(bench)
  const folder = bench.workspace.folder('got')
  const cli = (...args: readonly string[]): Promise<string> =>
    processes.run([...programOf({ ...bench, profileFolder: null }), ...args, '--url', server.url], {
      cwd: projectRoot,
    })
  let hasSource = false
  let last = ''
  return {
    name: 'stillpoint',
    role: 'stillpoint',
    async measure(row, round) {
      if (row.id === 'tree-put') {
        if (last !== '') await ask(`${server.url}/v1/dirs/${last}?recursive=true`, { method: 'DELETE' })
        last = `tree-${round}`
        return timed(bench, () => cli('put', '-r', source, `/${last}`))
      }
      if (!hasSource) await cli('put', '-r', source, '/source')
      hasSource = true
      last = join(folder, `round-${round}`)
      return timed(bench, async () => {
        await cli('get', '-r', '/source', last)
        await processes.run(['sync', '-f', last])
      })
    },
    state: (row) => stateHash(row.id === 'tree-put' ? server.files(last) : filesOfFolder(last, '.')),
    close: () => server.stop(),
  }
}

function copying(
  bench: Bench,
  name: string,
  command: (target: string) => readonly string[],
): Contestant | Absent {
  const absent = rivalAbsence(bench, name)
  if (absent !== null) return { name, role: 'rival', absent }
  const { workspace } = bench
  let last = ''
  return {
    name,
    role: 'rival',
    async measure() {
      last = workspace.folder(name)
      return timed(bench, async () => {
        await workspace.processes.run(command(last))
        await workspace.processes.run(['sync', '-f', last])
      })
    },
    state: (_row: Row) => stateHash(filesOfFolder(last, '.')),
  }
}

async function timed(bench: Bench, work: () => Promise<unknown>): Promise<Readonly<Record<string, number>>> {
  // What earlier contestants left in the page cache is not for this one to write.
  await bench.workspace.processes.run(['sync', '-f', bench.workspace.path])
  const began = performance.now()
  await work()
  const time = performance.now() - began
  return { time, files: (bench.scale.treeFiles / time) * 1000 }
}
