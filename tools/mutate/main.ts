/** `npm run mutate`: see the usage in options.ts, and docs/mutation.md. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type EditWish, runEdits } from './edit-run.ts'
import { libraryVersion, openLibrary } from './library.ts'
import { usage, wishOf } from './options.ts'
import { runPlanted } from './planted.ts'
import { Progress } from './progress.ts'
import { type Result, isMissed, missedText, share, table } from './report.ts'
import { longTestShares } from './shares.ts'

const root = join(import.meta.dir, '../..')

async function main(args: readonly string[]): Promise<number> {
  const wish = wishOf(args)
  if (typeof wish === 'string') {
    console.error(`${wish}\n\n${usage}`)
    return 2
  }
  if (wish.kind === 'planted') return runPlanted(root, wish.names)
  return showEdits(wish)
}

async function showEdits(wish: EditWish): Promise<number> {
  const commit = commitName()
  const title = `${commit}${wish.sample === null ? '' : `, seed ${wish.seed}`}`
  const env = wish.full ? {} : longTestShares
  const progress = new Map<string, Progress>()
  const began = performance.now()
  const minutes = (): number => (performance.now() - began) / 60_000
  let shown = new Progress()
  const soFar: Result[] = []
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      printTables(soFar, `${title}, stopped`, minutes())
      // The copies go with the process.
      process.exit(130)
    })
  const { results, problems } = await runEdits(wish, {
    root,
    libraryVersion: libraryVersion(),
    openLibrary,
    env,
    say: (text) => shown.say(text),
    count(what, count, of) {
      // The rate of one thing says nothing about another.
      shown = progress.get(what) ?? new Progress()
      progress.set(what, shown)
      shown.count(what, count, of)
    },
    found(result) {
      soFar.push(result)
      if (!isMissed(result)) return
      shown.clear()
      console.log(`${missedText(result)}\n`)
    },
  })
  shown.clear()
  for (const problem of problems) console.log(`${problem}\n`)
  printTables(results, title, minutes())
  if (wish.json !== null)
    writeFileSync(wish.json, jsonText({ commit, wish, env, minutes: minutes(), results, problems }))
  return problems.length > 0 || results.some(isMissed) ? 1 : 0
}

function printTables(results: readonly Result[], title: string, minutes: number): void {
  if (results.length === 0) {
    console.log(`${title}: nothing was edited`)
    return
  }
  console.log(`${table('room', results, ({ room }) => room)}\n`)
  console.log(`${table('kind of edit', results, ({ kind }) => kind)}\n`)
  const missed = results.filter(isMissed).length
  console.log(
    `${title}: ${results.length} edits, ${missed} not noticed, ${share(results)} noticed, ${minutes.toFixed(1)} min`,
  )
}

const jsonText = (value: unknown): string => `${JSON.stringify(value, null, 1)}\n`

/** With a plus when files differ from it. */
function commitName(): string {
  const git = (...args: string[]): string =>
    Bun.spawnSync(['git', ...args], { cwd: root, stderr: 'ignore' })
      .stdout.toString()
      .trim()
  return git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain') === '' ? '' : '+')
}

process.exitCode = await main(process.argv.slice(2))
