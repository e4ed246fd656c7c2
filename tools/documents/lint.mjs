/**
 * `node tools/documents/lint.mjs` holds the OpenAPI documents to Redocly's `recommended-strict` and Spectral's `oas`:
 * no error, no warning, no hint.
 *
 * The linters are packages of this folder, which are installed when they are missing. Exit codes: 0 nothing is found, 1
 * something is, 77 the packages cannot be installed.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { installPackages, root } from '../../scripts/install.mjs'

const skipCode = 77
const roles = ['primary', 'mirror']
const fileOf = (role) => join(root, `openapi/${role}.json`)

const problem = installPackages(import.meta.dirname)
if (problem) {
  console.error(problem)
  process.exit(skipCode)
}

async function redocly() {
  const { createConfig, lint } = await import('@redocly/openapi-core')
  const config = await createConfig({ extends: ['recommended-strict'] })
  return async (role) => {
    const found = await lint({ ref: fileOf(role), config })
    return found.map(({ ruleId, message, location }) => `${ruleId} at ${location[0]?.pointer}: ${message}`)
  }
}

async function spectral() {
  const core = (await import('@stoplight/spectral-core')).default
  const rulesets = (await import('@stoplight/spectral-rulesets')).default
  const linter = new core.Spectral()
  linter.setRuleset(new core.Ruleset({ extends: [rulesets.oas] }))
  return async (role) => {
    const found = await linter.run(JSON.parse(readFileSync(fileOf(role), 'utf8')))
    return found.map(({ code, message, path }) => `${code} at #/${path.join('/')}: ${message}`)
  }
}

let faults = 0
for (const [name, make] of Object.entries({ redocly, spectral })) {
  const findIn = await make()
  for (const role of roles) {
    for (const fault of await findIn(role)) {
      faults++
      console.error(`openapi/${role}.json, ${name}: ${fault}`)
    }
  }
}
process.exitCode = faults > 0 ? 1 : 0
