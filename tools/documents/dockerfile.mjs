/**
 * `node tools/documents/dockerfile.mjs` holds the Dockerfile to the rules of its language: no error, no warning.
 *
 * Exit codes: those of `lint.mjs`.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { installPackages, root } from '../../scripts/install.mjs'

const problem = installPackages(import.meta.dirname)
if (problem) {
  console.error(problem)
  process.exit(77)
}
const { validate } = await import('dockerfile-utils')
const [path = join(root, 'Dockerfile')] = process.argv.slice(2)
/** @type {{ range: { start: { line: number } }, message: string }[]} */
const found = validate(readFileSync(path, 'utf8'))
for (const { range, message } of found) console.error(`Dockerfile:${range.start.line + 1}: ${message}`)
process.exitCode = found.length > 0 ? 1 : 0
