/** `npm run mutate`: see docs/mutation.md. The library that thinks up edits is installed when it is needed. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { bun, installMissing, installPackages, root } from './install.mjs'

const args = process.argv.slice(2)
const tool = join(root, 'tools/mutate')
const problem = installMissing() ?? (args.includes('--planted') ? null : installPackages(tool))
if (problem) {
  console.error(problem)
  process.exit(1)
}
const done = spawnSync(bun, ['--no-orphans', join(tool, 'main.ts'), ...args], { stdio: 'inherit' })
process.exitCode = done.status ?? 1
