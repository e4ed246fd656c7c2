/** `completion bash|zsh|fish`: prints what a shell needs to complete command lines; the words come from this program. */
import { buildCommand } from '@stricli/core'
import { jsonFlag } from '../command/common-flags.ts'
import type { CliContext } from '../command/context.ts'
import { printJson } from '../command/output.ts'
import { UsageError } from '../../lib/user-error.ts'

/** The first word of the command lines that shells send: the words so far follow, the last one is not finished. */
export const completeInput = '__complete'

const scripts = {
  bash: `_stillpoint() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    COMPREPLY+=("\${line%%$'\\t'*}")
  done < <("$1" ${completeInput} "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _stillpoint stillpoint
`,
  zsh: `#compdef stillpoint
_stillpoint() {
  local -a found
  local word said
  while IFS=$'\\t' read -r word said; do
    found+=("\${word//:/\\\\:}:$said")
  done < <("$words[1]" ${completeInput} "\${(@)words[2,CURRENT]}" 2>/dev/null)
  if (( $#found )); then _describe stillpoint found; else _files; fi
}
if [ "$funcstack[1]" = _stillpoint ]; then _stillpoint; else compdef _stillpoint stillpoint; fi
`,
  fish: `function __stillpoint_complete
  set -l words (commandline -opc) (commandline -ct)
  $words[1] ${completeInput} $words[2..] 2>/dev/null
end
complete -c stillpoint -a '(__stillpoint_complete)'
`,
} as const

type Shell = keyof typeof scripts
const shells = Object.keys(scripts) as Shell[]

function completion(this: CliContext, flags: { readonly json: boolean }, shell: Shell): void {
  if (flags.json) printJson(this, { shell, script: scripts[shell] })
  else this.process.stdout.write(scripts[shell])
}

function parseShell(text: string): Shell {
  const shell = shells.find((name) => name === text)
  if (shell === undefined) throw new UsageError(`a shell is one of ${shells.join(', ')}`)
  return shell
}

export const completionCommand = buildCommand<{ readonly json: boolean }, [Shell], CliContext>({
  func: completion,
  parameters: {
    flags: jsonFlag,
    positional: {
      kind: 'tuple',
      parameters: [
        {
          brief: `One of ${shells.join(', ')}`,
          parse: parseShell,
          placeholder: 'SHELL',
          proposeCompletions: (partial: string) => shells.filter((name) => name.startsWith(partial)),
        },
      ],
    },
  },
  docs: { brief: 'Print what a shell needs to complete command lines' },
})
