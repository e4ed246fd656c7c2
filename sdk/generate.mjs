/**
 * Prints what is generated from the published documents, as JSON from path to text: the types of the bodies, and the
 * codes of the refusals as values. `npm run generate -- sdk` in the folder above writes the files.
 */
import { readFileSync } from 'node:fs'
import openapiTs, { astToString } from 'openapi-typescript'

const document = (role) =>
  JSON.parse(readFileSync(new URL(`../openapi/${role}.json`, import.meta.url), 'utf8'))
const [primary, mirror] = [document('primary'), document('mirror')]
const schemas = { ...mirror.components.schemas, ...primary.components.schemas }
const note = '/** Generated from openapi/ by `npm run generate -- sdk`. */\n'

// The operations themselves are written by hand: of the documents only the shapes of bodies are needed.
const types = await openapiTs(
  { openapi: primary.openapi, info: primary.info, paths: {}, components: { schemas } },
  // A member with a default may be left out by the sender, and so stays optional.
  { immutable: true, defaultNonNullable: false },
)
const codes = schemas.Problem.properties.code.enum
const codeLines = codes.map((code) => `  '${code}',\n`).join('')

const files = {
  'sdk/src/generated/contract.ts': note + astToString(types),
  'sdk/src/generated/codes.ts': `${note}export const serverCodes = [\n${codeLines}] as const\n`,
}
process.stdout.write(JSON.stringify(files))
