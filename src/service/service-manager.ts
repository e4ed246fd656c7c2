/**
 * Tells a service manager (systemd, or another that speaks its protocol) about this process.
 *
 * - Without NOTIFY_SOCKET in the environment nothing is told, and no timer runs.
 * - The watchdog is told at half of its interval that the event loop runs, from `ready` on, until the server has failed.
 * - A message that could not be sent is sent again a second later: of each variable the newest value counts.
 */
import type { Clock } from '../lib/clock.ts'
import { logger } from '../lib/log.ts'
import { openNotifySocket, type SendDatagram } from './notify-socket.ts'

interface ServiceManager {
  /** One line that a person sees in the state of the service. */
  status(text: string): void
  /** The server takes requests. */
  ready(text: string): void
  /** The server ends by itself: from here on the manager waits for the end, as long as it is configured to. */
  stopping(text: string): void
  /**
   * The server has failed, or could not start. No sign of life is sent any more, so a process that hangs at its end is
   * ended; and no timer is left that keeps the process from ending.
   */
  failed(text: string): void
}

const againMs = 1_000
const log = logger('service')

const nobody: ServiceManager = { status() {}, ready() {}, stopping() {}, failed() {} }

export function serviceManagerOf(
  environment: Readonly<Record<string, string | undefined>>,
  clock: Pick<Clock, 'after'>,
  open: (name: string) => SendDatagram | null = openNotifySocket,
): ServiceManager {
  const { NOTIFY_SOCKET: name, WATCHDOG_USEC: interval, WATCHDOG_PID: pid } = environment
  if (name === undefined || name === '') return nobody
  const send = open(name)
  if (send === null) {
    log.warn('the service manager cannot be told anything: NOTIFY_SOCKET is no socket that this system has', {
      name,
    })
    return nobody
  }
  const isMeant = pid === undefined || pid === String(process.pid)
  return new Notifier(clock, send, isMeant ? watchdogMsOf(interval) : null)
}

/** Half of the interval in milliseconds; null where there is no watchdog. */
function watchdogMsOf(microseconds: string | undefined): number | null {
  const interval = Number(microseconds)
  return Number.isSafeInteger(interval) && interval > 0 ? interval / 2_000 : null
}

class Notifier implements ServiceManager {
  private readonly unsent = new Map<string, string>()
  private cancelRetry: (() => void) | null = null
  private cancelWatch: (() => void) | null = null

  constructor(
    private readonly clock: Pick<Clock, 'after'>,
    private readonly send: SendDatagram,
    private readonly watchdogMs: number | null,
  ) {}

  status(text: string): void {
    this.tell({ STATUS: text })
  }

  ready(text: string): void {
    this.tell({ READY: '1', STATUS: text })
    this.watch()
  }

  stopping(text: string): void {
    this.tell({ STOPPING: '1', STATUS: text })
  }

  failed(text: string): void {
    this.cancelWatch?.()
    this.unsent.delete('WATCHDOG')
    this.tell({ STATUS: text })
    this.cancelRetry?.()
  }

  private watch(): void {
    if (this.watchdogMs === null) return
    this.cancelWatch = this.clock.after(this.watchdogMs, () => {
      this.tell({ WATCHDOG: '1' })
      this.watch()
    })
  }

  private tell(variables: Readonly<Record<string, string>>): void {
    for (const [name, value] of Object.entries(variables)) this.unsent.set(name, value.replaceAll('\n', ' '))
    this.cancelRetry?.()
    const isSent = this.send([...this.unsent].map(([name, value]) => `${name}=${value}`).join('\n'))
    if (isSent) this.unsent.clear()
    this.cancelRetry = isSent ? null : this.clock.after(againMs, () => this.tell({}))
  }
}
