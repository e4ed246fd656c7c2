/** `mirror`: serves a mirror's volume, and makes an empty volume when the folder has none. */
import { buildCommand } from '@stricli/core'
import type { CliContext } from '../command/context.ts'
import { runServer } from './run-server.ts'
import { type MirrorFlags, mirrorFlags } from './server-flags.ts'

function mirror(this: CliContext, flags: MirrorFlags): Promise<void> {
  return runServer(this, 'mirror', flags)
}

export const mirrorCommand = buildCommand<MirrorFlags, [], CliContext>({
  func: mirror,
  parameters: { flags: mirrorFlags },
  docs: { brief: 'Serve a mirror; make an empty one when there is none' },
})
