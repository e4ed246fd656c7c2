/** `openapi`: prints the document of a role, as a server in that role answers under `/openapi.json`. */
import { buildCommand } from '@stricli/core'
import { jsonFlag } from '../command/common-flags.ts'
import type { CliContext } from '../command/context.ts'

const roles = ['primary', 'mirror'] as const

interface Flags {
  readonly json: boolean
  readonly role: (typeof roles)[number]
}

async function openapi(this: CliContext, flags: Flags): Promise<void> {
  // The module is loaded here, so that the other verbs start without it.
  const { buildDocument } = await import('../../routes/openapi.ts')
  this.process.stdout.write(`${JSON.stringify(buildDocument(flags.role), null, 2)}\n`)
}

export const openapiCommand = buildCommand<Flags, [], CliContext>({
  func: openapi,
  parameters: {
    flags: {
      // The output is JSON with the flag and without.
      ...jsonFlag,
      role: { kind: 'enum', values: roles, brief: 'Which document', default: 'primary' },
    },
  },
  docs: { brief: 'Print the OpenAPI document' },
})
