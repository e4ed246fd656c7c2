/** On what and of what a result is: without it figures mean nothing. */
import { readFileSync, realpathSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { join } from 'node:path'

export const projectRoot = join(import.meta.dir, '../..')
export const bunPath = process.execPath

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryBytes: number
  readonly kernel: string
  readonly fileSystem: string
  readonly load: number
  readonly commit: string
  /** Files differ from the commit. */
  readonly isDirty: boolean
  readonly versions: Readonly<Record<string, string>>
}

const tools: Readonly<Record<string, { readonly command: readonly string[]; readonly pattern: RegExp }>> = {
  nginx: { command: ['nginx', '-v'], pattern: /nginx\/(\S+)/ },
  rclone: { command: ['rclone', 'version'], pattern: /rclone v?(\S+)/ },
  rsync: { command: ['rsync', '--version'], pattern: /version (\S+)/ },
  btrfs: { command: ['btrfs', '--version'], pattern: /v(\S+)/ },
  fio: { command: ['fio', '--version'], pattern: /fio-(\S+)/ },
  cp: { command: ['cp', '--version'], pattern: /(\d\S+)$/m },
}
/** The Debian packages that bring them, and what a row needs besides. */
export const rivalPackages = [
  'nginx-light',
  'rclone',
  'rsync',
  'btrfs-progs',
  'fio',
  'coreutils',
  'util-linux',
] as const

function output(command: readonly string[]): string {
  try {
    const done = Bun.spawnSync([...command], { cwd: projectRoot, stdin: 'ignore' })
    return `${done.stdout.toString()}${done.stderr.toString()}`
  } catch {
    return ''
  }
}

export function describeMachine(folder: string): Machine {
  const versions: Record<string, string> = { bun: Bun.version }
  for (const [name, { command, pattern }] of Object.entries(tools)) {
    const [tool = name, ...args] = command
    const path = toolPath(tool)
    versions[name] = path === null ? 'absent' : (pattern.exec(output([path, ...args]))?.[1] ?? 'unknown')
  }
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
    kernel: release(),
    fileSystem: fileSystemOf(realpathSync(folder)),
    load: Number(readFileSync('/proc/loadavg', 'latin1').split(' ')[0]),
    commit: output(['git', 'rev-parse', '--short=12', 'HEAD']).trim() || 'unknown',
    isDirty: output(['git', 'status', '--porcelain', '--untracked-files=no']).trim() !== '',
    versions,
  }
}

/** Of the mount that the folder lies on: the one with the longest name. */
function fileSystemOf(folder: string): string {
  const mounts = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, at]) => at !== undefined && `${folder}/`.startsWith(at === '/' ? at : `${at}/`))
  return mounts.toSorted((a, b) => a[1]!.length - b[1]!.length).at(-1)?.[2] ?? 'unknown'
}

/** Programs of the system's folder are not on everybody's path. */
export function toolPath(name: string): string | null {
  return Bun.which(name, { PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` })
}
export const hasTool = (name: string): boolean => toolPath(name) !== null
