/** What a service manager hears, over a real socket of the kind that it binds. */
import { afterEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openNotifySocket } from '../../src/service/notify-socket.ts'
import { serviceManagerOf } from '../../src/service/service-manager.ts'
import { VirtualClock } from '../simulated/clock.ts'
import { DatagramSocket, socketProblem } from './datagram-socket.ts'

const folders: string[] = []
const sockets: DatagramSocket[] = []
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.close()
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

function place(): string {
  const folder = mkdtempSync(join(tmpdir(), 'stillpoint-notify-'))
  folders.push(folder)
  return join(folder, 'notify')
}

function bound(name: string): DatagramSocket {
  const socket = DatagramSocket.bind(name)
  sockets.push(socket)
  return socket
}

const onSockets = test.skipIf(socketProblem !== null)
const named = (name: string) => (socketProblem === null ? name : `${name} (${socketProblem})`)

onSockets(named('the manager hears of each step, by a path and by an abstract name'), () => {
  for (const name of [place(), `@stillpoint-test-${process.pid}`]) {
    const socket = bound(name)
    const manager = serviceManagerOf({ NOTIFY_SOCKET: name }, new VirtualClock())
    manager.status('opening')
    manager.ready('serving')
    manager.stopping('stopping\nafter SIGTERM')
    expect(socket.receiveAll()).toEqual([
      'STATUS=opening',
      'READY=1\nSTATUS=serving',
      'STOPPING=1\nSTATUS=stopping after SIGTERM',
    ])
  }
})

onSockets(named('the watchdog hears a sign of life at half of its interval, until the server fails'), () => {
  const name = place()
  const socket = bound(name)
  const clock = new VirtualClock()
  const manager = serviceManagerOf({ NOTIFY_SOCKET: name, WATCHDOG_USEC: '60000000' }, clock)
  manager.status('opening')
  clock.jump(120_000)
  expect(socket.receiveAll()).toEqual(['STATUS=opening'])
  manager.ready('serving')
  clock.jump(29_999)
  expect(socket.receiveAll()).toEqual(['READY=1\nSTATUS=serving'])
  clock.jump(60_001)
  expect(socket.receiveAll()).toEqual(['WATCHDOG=1', 'WATCHDOG=1', 'WATCHDOG=1'])
  manager.failed('a write to the device failed')
  clock.jump(600_000)
  expect(socket.receiveAll()).toEqual(['STATUS=a write to the device failed'])
  expect(clock.timers).toBe(0)
})

test('without the variable nothing is told and no timer runs', () => {
  const clock = new VirtualClock()
  const opened: string[] = []
  const manager = serviceManagerOf({ WATCHDOG_USEC: '1000' }, clock, (name) => {
    opened.push(name)
    return () => true
  })
  manager.status('opening')
  manager.ready('serving')
  manager.stopping('stopping')
  expect([opened, clock.timers]).toEqual([[], 0])
})

test.each([
  ['another process', { WATCHDOG_USEC: '2000', WATCHDOG_PID: String(process.pid + 1) }, []],
  ['this process', { WATCHDOG_USEC: '2000', WATCHDOG_PID: String(process.pid) }, ['WATCHDOG=1']],
  ['no number', { WATCHDOG_USEC: 'soon' }, []],
  ['zero', { WATCHDOG_USEC: '0' }, []],
])('a watchdog of %s', (_, environment, expected) => {
  const clock = new VirtualClock()
  const told: string[] = []
  const manager = serviceManagerOf({ NOTIFY_SOCKET: '/x', ...environment }, clock, () => (text) => {
    told.push(text)
    return true
  })
  manager.ready('serving')
  clock.jump(1)
  expect(told.slice(1)).toEqual(expected)
})

onSockets(named('what nobody takes is sent again, with the newest value of each variable'), () => {
  const name = place()
  const clock = new VirtualClock()
  const manager = serviceManagerOf({ NOTIFY_SOCKET: name }, clock)
  manager.status('opening')
  manager.ready('serving')
  const socket = bound(name)
  clock.jump(999)
  expect(socket.receiveAll()).toEqual([])
  clock.jump(1)
  expect(socket.receiveAll()).toEqual(['STATUS=serving\nREADY=1'])
  clock.jump(60_000)
  expect([socket.receiveAll(), clock.timers]).toEqual([[], 0])
})

test('a server that could not start leaves no timer, though nobody hears of the failure', () => {
  const clock = new VirtualClock()
  const manager = serviceManagerOf({ NOTIFY_SOCKET: '/x' }, clock, () => () => false)
  manager.status('opening')
  manager.failed('the volume is in use')
  expect(clock.timers).toBe(0)
})

onSockets(named('a manager that reads nothing keeps nobody waiting'), () => {
  const name = place()
  bound(name)
  const send = openNotifySocket(name)!
  let sent = 0
  while (sent < 100_000 && send('WATCHDOG=1')) sent++
  expect(sent).toBeGreaterThan(0)
  expect(sent).toBeLessThan(100_000)
})

test.each(['', '@', 'relative', 'vsock:2:1234', `/${'x'.repeat(200)}`])('%p is no socket', (name) => {
  expect(openNotifySocket(name)).toBeNull()
})
