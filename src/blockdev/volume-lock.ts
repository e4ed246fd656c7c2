/**
 * Two processes never serve one volume.
 *
 * - The lock is an flock on the volume's folder: it goes with the process, whatever ends it, and needs nothing that a full
 *   or a read-only file system would have to write. Where folders take no flock (NFS) it is one on the lock file.
 * - The lock file names the holder, as well as that can be written. It stays; who removed it would let two processes
 *   lock two files of the same name. Where there is no flock at all the name is the lock: it counts while a process with
 *   that id and that start time lives on this boot of the machine.
 *
 * Errors: StillpointError `busy`, DeviceError where nothing can be locked; one sentence each.
 */
import * as fs from 'node:fs'
import { join } from 'node:path'
import { StillpointError, systemCodeOf } from '../lib/errors.ts'
import { DeviceError } from './block-device.ts'
import { tryLock } from './libc.ts'

const lockFileName = 'lock'

interface VolumeLock {
  release(): void
}

export interface LockOptions {
  /** For tests of the way without it. */
  readonly tryLock?: typeof tryLock
}

interface Holder {
  readonly pid: number
  /** What tells a process from a later one with the same id; null where the system does not say. */
  readonly started: string | null
  readonly method: 'flock' | 'file'
}

export function lockVolume(folder: string, options: LockOptions = {}): VolumeLock {
  const path = join(folder, lockFileName)
  try {
    const { O_RDONLY, O_DIRECTORY, O_RDWR, O_CREAT } = fs.constants
    return (
      lockByFlock(folder, folder, O_RDONLY | O_DIRECTORY, options) ??
      lockByFlock(folder, path, O_RDWR | O_CREAT, options) ??
      lockByName(folder, path)
    )
  } catch (error) {
    if (error instanceof StillpointError) throw error
    throw new DeviceError(`cannot lock the volume in ${folder}: ${systemCodeOf(error) ?? String(error)}`, {
      cause: error,
    })
  }
}

/** Null where what is there takes no flock. */
function lockByFlock(folder: string, target: string, flags: number, options: LockOptions): VolumeLock | null {
  const path = join(folder, lockFileName)
  const descriptor = fs.openSync(target, flags, 0o600)
  try {
    const outcome = (options.tryLock ?? tryLock)(descriptor)
    const holder = readHolder(path)
    // One that could not use flock holds the volume by its name alone.
    const isNamed = holder?.method === 'file' && isAlive(holder)
    if (outcome === 'busy' || isNamed) throw busy(folder, holder)
    if (outcome === 'unsupported') {
      fs.closeSync(descriptor)
      return null
    }
  } catch (error) {
    closeQuietly(descriptor)
    throw error
  }
  tellHolder(path, describeSelf('flock'))
  let held = true
  return {
    release() {
      if (!held) return
      held = false
      tellHolder(path, '')
      fs.closeSync(descriptor)
    },
  }
}

/** For people and for the sentence of a refusal: a disk that does not take it changes nothing. */
function tellHolder(path: string, text: string): void {
  try {
    fs.writeFileSync(path, text, { mode: 0o600 })
  } catch {
    // Full, read-only, or something else has the name.
  }
}

/**
 * The name is taken by renaming a complete file over one whose holder is dead, and read again afterwards: of two that
 * find the same dead holder the last one wins and the first one sees it.
 */
function lockByName(folder: string, path: string): VolumeLock {
  const holder = readHolder(path)
  if (holder && isAlive(holder)) throw busy(folder, holder)
  const mine = describeSelf('file')
  const temporary = `${path}.${process.pid}`
  fs.writeFileSync(temporary, mine, { mode: 0o600 })
  fs.renameSync(temporary, path)
  if (fs.readFileSync(path, 'utf8') !== mine) throw busy(folder, readHolder(path))
  let held = true
  return {
    release() {
      if (held) tellHolder(path, '')
      held = false
    },
  }
}

function busy(folder: string, holder: Holder | null): StillpointError {
  const who = holder ? `process ${holder.pid}` : 'another process'
  return new StillpointError(
    'busy',
    `the volume in ${folder} is in use by ${who}`,
    holder ? { pid: holder.pid } : {},
  )
}

/** Null for a file that names nobody, or nobody that can be understood. */
function readHolder(path: string): Holder | null {
  let text = ''
  try {
    text = fs.readFileSync(path, 'utf8')
  } catch {
    // Absent, a folder, or not for this user.
  }
  const [pid, started, method] = text.trim().split(' ')
  const id = Number(pid)
  if (!Number.isSafeInteger(id) || id <= 0 || (method !== 'flock' && method !== 'file')) return null
  return { pid: id, started: started === undefined || started === '-' ? null : started, method }
}

function describeSelf(method: Holder['method']): string {
  return `${process.pid} ${startOf(process.pid) ?? '-'} ${method}\n`
}

function isAlive(holder: Holder): boolean {
  try {
    process.kill(holder.pid, 0)
  } catch (error) {
    if (systemCodeOf(error) === 'ESRCH') return false
  }
  const started = startOf(holder.pid)
  return holder.started === null || started === null || started === holder.started
}

/** The boot of the machine and the tick in it at which the process began; null where /proc does not tell. */
function startOf(pid: number): string | null {
  try {
    const boot = fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The command's name may hold spaces and brackets: count from behind it. The start is field 22 of all.
    const tick = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
    return tick === undefined ? null : `${boot}/${tick}`
  } catch {
    return null
  }
}

function closeQuietly(descriptor: number): void {
  try {
    fs.closeSync(descriptor)
  } catch {
    // Closed before.
  }
}
