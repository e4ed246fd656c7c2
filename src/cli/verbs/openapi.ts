/** `openapi`: the document of a role, as a server of it would answer under `/openapi.json`. */
import { buildCommand } from '@stricli/core'
import { jsonFlag } from '../command/common-flags.ts'
import type { CliContext } from '../command/context.ts'

const roles = ['primary', 'mirror'] as const

interface Flags {
  readonly json: boolean
  readonly role: (typeof roles)[number]
}

async function openapi(this: CliContext, flags: Flags): Promise<void> {
  // Loaded here: the other verbs start without it.
  const { buildDocument } = await import('../../routes/openapi.ts')
  this.process.stdout.write(`${JSON.stringify(buildDocument(flags.role), null, 2)}\n`)
}

export const openapiCommand = buildCommand<Flags, [], CliContext>({
  func: openapi,
  parameters: {
    flags: {
      // It is JSON either way.
      ...jsonFlag,
      role: { kind: 'enum', values: roles, brief: 'Which document', default: 'primary' },
    },
  },
  docs: { brief: 'Print the OpenAPI document' },
})
