/** `npm run sim -- --seed N` and others: see tools/sim.ts. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { bun, installMissing, root } from './install.mjs'

const problem = installMissing()
if (problem) {
  console.error(problem)
  process.exit(1)
}
const done = spawnSync(bun, ['--no-orphans', join(root, 'tools/sim.ts'), ...process.argv.slice(2)], {
  stdio: 'inherit',
})
process.exitCode = done.status ?? 1
