/** `npm run build`: dist/stillpoint, the whole program in one file. Migrations are part of the code. */
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { bun, installMissing, root } from './install.mjs'

const problem = installMissing()
if (problem) {
  console.error(problem)
  process.exit(1)
}
mkdirSync(join(root, 'dist'), { recursive: true })
// The program says which source it was made from, where that is known.
const { status, stdout } = spawnSync('git', ['rev-parse', '--short=12', 'HEAD'], {
  cwd: root,
  encoding: 'utf8',
})
const commit = status === 0 ? [`--define=STILLPOINT_COMMIT=${JSON.stringify(stdout.trim())}`] : []
const compile = [
  'build',
  '--compile',
  '--minify',
  '--keep-names',
  '--format=esm',
  '--no-compile-autoload-dotenv',
  '--no-compile-autoload-bunfig',
  ...commit,
  join(root, 'src/cli/main.ts'),
  join(root, 'src/server/catalog/catalog-worker.ts'),
  `--outfile=${join(root, 'dist/stillpoint')}`,
]
// Bytecode halves the start-up time; without it the program is the same.
const run = (extra) =>
  spawnSync(bun, [...compile, ...extra], { cwd: root, stdio: ['ignore', 2, 2] }).status === 0
if (!run(['--bytecode']) && !run([])) process.exit(1)
console.log('dist/stillpoint')
