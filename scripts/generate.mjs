/**
 * `npm run generate [-- PART…]` writes the files that are made from others; `--check` only says which of them differ.
 *
 * lock        package-lock.json, and those of the other packages, without the addresses that npm copies into them
 * openapi     openapi/primary.json and openapi/mirror.json, from the routes
 * sdk         types and codes of the client package, from the documents in openapi/; needs the packages of sdk/
 * migrations  drizzle/ has a migration for all that src/catalog/schema.ts says
 *
 * Exit codes: 0 all is well, 1 something differs or failed, 77 there is nothing yet to make it from.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { bun, root } from './install.mjs'

const { values, positionals } = parseArgs({
  options: { check: { type: 'boolean', default: false } },
  allowPositionals: true,
})
const nothingYet = 77
const packageFolders = [
  '.',
  'sdk',
  'tools/documents',
  'tools/mutate',
  'tests/browser',
  'tests/clients',
  'tests/sdk',
]

const parts = {
  lock() {
    const codes = packageFolders.map((folder) => {
      const path = join(folder, 'package-lock.json')
      return update(path, withoutFunding(readFileSync(join(root, path), 'utf8')))
    })
    return Math.max(...codes)
  },
  openapi() {
    if (!existsSync(join(root, 'src/cli/main.ts'))) return nothingYet
    let worst = 0
    for (const role of ['primary', 'mirror']) {
      const text = run(bun, ['src/cli/main.ts', 'openapi', '--role', role])
      worst = Math.max(worst, text === null ? 1 : update(`openapi/${role}.json`, text))
    }
    return worst
  },
  sdk() {
    if (!existsSync(join(root, 'sdk/node_modules/openapi-typescript'))) return nothingYet
    const text = run(process.execPath, ['sdk/generate.mjs'])
    if (text === null) return 1
    return Math.max(...Object.entries(JSON.parse(text)).map(([path, made]) => update(path, made)))
  },
  migrations() {
    if (!existsSync(join(root, 'src/catalog/schema.ts'))) return nothingYet
    const out = values.check ? '.cache/migrations' : 'drizzle'
    if (values.check) {
      rmSync(join(root, out), { recursive: true, force: true })
      mkdirSync(join(root, '.cache'), { recursive: true })
      cpSync(join(root, 'drizzle'), join(root, out), { recursive: true })
    }
    const count = () => readdirSync(join(root, out)).length
    const before = count()
    const kit = join(root, 'node_modules/.bin/drizzle-kit')
    if (run(kit, ['generate', '--dialect=sqlite', '--schema=src/catalog/schema.ts', `--out=${out}`]) === null)
      return 1
    if (!values.check || count() === before) return 0
    console.error('src/catalog/schema.ts has changes that no migration in drizzle/ makes')
    return 1
  },
}

/** Package pages ask for funds at addresses; none of them is needed to install. */
function withoutFunding(text) {
  const lock = JSON.parse(text)
  for (const entry of Object.values(lock.packages)) delete entry.funding
  return `${JSON.stringify(lock, null, 2)}\n`
}

function run(command, args) {
  const done = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  })
  if (done.status === 0) return done.stdout
  console.error(`${args.join(' ')} failed: ${done.error?.message ?? done.stderr}`)
  return null
}

function update(path, text) {
  const file = join(root, path)
  if (existsSync(file) && readFileSync(file, 'utf8') === text) return 0
  if (values.check) {
    console.error(`${path} is out of date: npm run generate`)
    return 1
  }
  writeFileSync(file, text)
  console.log(`wrote ${path}`)
  return 0
}

const wanted = positionals.length > 0 ? positionals : Object.keys(parts)
const codes = wanted.map((name) => {
  if (!Object.hasOwn(parts, name)) throw new Error(`no such part: ${name}`)
  return parts[name]()
})
process.exit(codes.includes(1) ? 1 : codes.every((code) => code === nothingYet) ? nothingYet : 0)
