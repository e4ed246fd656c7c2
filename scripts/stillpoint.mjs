#!/usr/bin/env node
/** `npx stillpoint VERB …`: the program from its source, on the Bun that is pinned here. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { bun, installMissing, root } from './install.mjs'

const problem = installMissing()
if (problem) {
  console.error(problem)
  process.exit(1)
}
const child = spawn(bun, ['--no-orphans', join(root, 'src/cli/main.ts'), ...process.argv.slice(2)], {
  stdio: 'inherit',
})
// A terminal sends Ctrl-C to the child as well; this process only has to outlive it.
process.on('SIGINT', () => undefined)
process.on('SIGTERM', () => child.kill('SIGTERM'))
child.on('exit', (code, signal) => process.exit(signal === null ? (code ?? 1) : 1))
