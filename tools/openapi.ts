/** Writes openapi/primary.json and openapi/mirror.json; with --check says whether they are up to date. */
import type { Role } from '../src/routes/http/dependencies.ts'
import { documentText } from '../src/routes/openapi.ts'

const roles: readonly Role[] = ['primary', 'mirror']
const check = process.argv.includes('--check')
let stale = 0

for (const role of roles) {
  const file = Bun.file(new URL(`../openapi/${role}.json`, import.meta.url))
  const text = documentText(role)
  if (!check) await Bun.write(file, text)
  else if (!(await file.exists()) || (await file.text()) !== text) {
    stale++
    console.error(`openapi/${role}.json is not what the routes say; run: bun tools/openapi.ts`)
  }
}
process.exitCode = stale > 0 ? 1 : 0
