/**
 * Locks a volume, so that two processes never serve one volume.
 *
 * - The lock is an flock on the volume's folder. The lock ends with the process, whatever ends the process, and needs
 *   no write that a full or a read-only file system would refuse. Where folders take no flock (NFS) the flock is on
 *   the lock file.
 * - The lock file names the holder, when the file can be written. The lock file stays after a release: if a process
 *   removed the file, two processes could lock two files of the same name. Where flock does not work at all the name
 *   in the file is the lock: the name counts while a process with the same id and the same start time lives on this
 *   boot of the machine.
 *
 * Errors: StillpointError `busy`; DeviceError where nothing can be locked. Each message is one sentence.
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
  /** A test replaces the call to play a host without flock. */
  readonly tryLock?: typeof tryLock
}

interface Holder {
  readonly pid: number
  /** Distinguishes a process from a later process with the same id; null where the system does not say. */
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

/** Null where the target takes no flock. */
function lockByFlock(folder: string, target: string, flags: number, options: LockOptions): VolumeLock | null {
  const path = join(folder, lockFileName)
  const descriptor = fs.openSync(target, flags, 0o600)
  try {
    const outcome = (options.tryLock ?? tryLock)(descriptor)
    const holder = readHolder(path)
    // A process without flock holds the volume by its name in the file alone.
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

/**
 * Writes the holder for people and for the message of a refusal. A disk that refuses the write changes nothing about
 * the lock.
 */
function tellHolder(path: string, text: string): void {
  try {
    fs.writeFileSync(path, text, { mode: 0o600 })
  } catch {
    // The disk is full or read-only, or something other than a file has the name.
  }
}

/**
 * Takes the name: renames a complete file over the file of a dead holder, and reads the name again afterwards. Of two
 * processes that find the same dead holder the last one wins, and the first one sees the name of the last one.
 */
function lockByName(folder: string, path: string): VolumeLock {
  // The name is the lock here: a file that cannot be read may name a holder that lives.
  const holder = holderIn(readName(path))
  if (holder && isAlive(holder)) throw busy(folder, holder)
  const mine = describeSelf('file')
  const temporary = `${path}.${process.pid}`
  try {
    fs.writeFileSync(temporary, mine, { mode: 0o600 })
    fs.renameSync(temporary, path)
  } catch (error) {
    removeQuietly(temporary)
    throw error
  }
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

/** Null when no holder can be read. With flock the name is for people alone. */
function readHolder(path: string): Holder | null {
  try {
    return holderIn(readName(path))
  } catch {
    // Something other than a file has the name, or the file is not readable for this user.
    return null
  }
}

/** The text of the lock file; empty when the file is absent. */
function readName(path: string): string {
  try {
    return fs.readFileSync(path, 'utf8')
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return ''
    throw error
  }
}

/** Null when the text names no holder, or names a holder in a form that cannot be understood. */
function holderIn(text: string): Holder | null {
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

/**
 * The boot id of the machine and the tick of that boot at which the process began; null where /proc does not tell.
 */
function startOf(pid: number): string | null {
  try {
    const boot = fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The command's name may hold spaces and brackets, so the fields are counted from behind the name. The start is
    // field 22 of the whole line.
    const tick = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
    return tick === undefined ? null : `${boot}/${tick}`
  } catch {
    return null
  }
}

function removeQuietly(path: string): void {
  try {
    fs.rmSync(path, { force: true })
  } catch {
    // The caller reports the failure before this one.
  }
}

function closeQuietly(descriptor: number): void {
  try {
    fs.closeSync(descriptor)
  } catch {
    // The descriptor was closed before.
  }
}
