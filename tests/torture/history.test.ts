/** The judge of the torture must itself be hard to please: what it has to notice, it notices. */
import { describe, expect, test } from 'bun:test'
import type { Level, Task } from '../../tools/torture/generator.ts'
import { History, Ticks, Violation } from '../../tools/torture/history.ts'
import { applyStep, emptyTree, type Step, type Tree } from '../../tools/torture/tree.ts'

const bytes = (text: string) => new Uint8Array(new TextEncoder().encode(text))
const putStep = (path: string, text = path): Step => ({ op: 'put', path, bytes: bytes(text) })
const task = (step: Step, level: Level = 'logged'): Task => ({ steps: [step], level, chunked: false })
const treeOf = (...steps: Step[]): Tree => steps.reduce(applyStep, emptyTree)

function client(ticks = new Ticks()) {
  const history = new History('c', ticks)
  const write = (step: Step, level: Level, cp: number) => {
    history.send(task(step, level))
    history.acknowledge(cp, level)
  }
  return { history, write }
}

describe('after a crash', () => {
  const [a, b, c] = [putStep('a'), putStep('b'), putStep('c')]

  test('what was acknowledged durable is there, and what came before it', () => {
    const { history, write } = client()
    write(a, 'buffered', 5)
    write(b, 'logged', 5)
    write(c, 'buffered', 5)
    const start = history.durableStart()
    expect(history.match(treeOf(a, b, c), start)).toEqual({ least: 3, most: 3 })
    expect(history.match(treeOf(a, b), start)).toEqual({ least: 2, most: 2 })
    expect(() => history.match(treeOf(a), start)).toThrow('1 acknowledged operations are lost')
    expect(() => history.match(emptyTree, start)).toThrow('2 acknowledged operations are lost')
  })

  test('what was never written is not there, nor half of it, nor out of order', () => {
    const { history, write } = client()
    write(a, 'buffered', 5)
    history.send(task(b))
    const start = history.durableStart()
    for (const possible of [emptyTree, treeOf(a), treeOf(a, b)]) history.match(possible, start)
    for (const impossible of [
      treeOf(b),
      treeOf(a, c),
      treeOf(putStep('a', 'x')),
      treeOf(a, putStep('b', '')),
    ])
      expect(() => history.match(impossible, start)).toThrow(Violation)
  })

  test('a refusal leaves no trace', () => {
    const { history, write } = client()
    write(a, 'logged', 5)
    history.send(task(b))
    history.refused()
    expect(() => history.match(treeOf(a, b), 0)).toThrow('no state that ever was')
  })

  test('one order: what was acknowledged before something durable began has survived with it', () => {
    const ticks = new Ticks()
    const first = client(ticks)
    const second = client(ticks)
    first.write(a, 'buffered', 5)
    second.write(b, 'logged', 5)
    const start = Math.max(first.history.durableStart(), second.history.durableStart())
    expect(() => first.history.match(emptyTree, start)).toThrow('acknowledged operations are lost')
    // Begun before the acknowledgement: the two have no order.
    first.history.send(task(c, 'buffered'))
    second.write(c, 'logged', 5)
    first.history.acknowledge(5, 'buffered')
    const later = Math.max(first.history.durableStart(), second.history.durableStart())
    expect(first.history.match(treeOf(a), later)).toEqual({ least: 1, most: 1 })
  })

  test('a state that several counts explain', () => {
    const { history, write } = client()
    write(a, 'logged', 5)
    write(putStep('b'), 'buffered', 5)
    write({ op: 'delete', path: 'b' }, 'buffered', 5)
    expect(history.match(treeOf(a), 0)).toEqual({ least: 1, most: 3 })
    history.survive(3, 9)
    expect(history.tree).toEqual(treeOf(a))
  })
})

describe('what a CP shows', () => {
  const [a, b, c] = [putStep('a'), putStep('b'), putStep('c')]

  test('is what was acknowledged for it, and nothing later', () => {
    const { history, write } = client()
    write(a, 'logged', 5)
    write(b, 'logged', 7)
    history.expectAt(4, emptyTree, 'it')
    history.expectAt(5, treeOf(a), 'it')
    history.expectAt(6, treeOf(a), 'it')
    history.expectAt(7, treeOf(a, b), 'it')
    expect(() => history.expectAt(7, treeOf(a), 'it')).toThrow('b: expected file')
    expect(() => history.expectAt(6, treeOf(a, b), 'it')).toThrow(Violation)
  })

  test('may hold what is without an answer, or not', () => {
    const { history, write } = client()
    write(a, 'logged', 5)
    history.send(task(b))
    history.expectAt(6, treeOf(a), 'it')
    history.expectAt(6, treeOf(a, b), 'it')
    history.survive(2, 9)
    history.expectAt(6, treeOf(a), 'it')
    history.expectAt(6, treeOf(a, b), 'it')
    history.expectAt(9, treeOf(a, b), 'it')
    expect(() => history.expectAt(9, treeOf(a), 'it')).toThrow(Violation)
    write(c, 'logged', 10)
    history.forget(10)
    history.expectAt(10, treeOf(a, b, c), 'it')
  })

  test('answers never name an earlier CP than before', () => {
    const { history, write } = client()
    write(a, 'logged', 7)
    history.send(task(b))
    expect(() => history.acknowledge(6, 'logged')).toThrow(Violation)
  })
})

test('the model does what the files do', () => {
  const steps: Step[] = [
    putStep('d/e/a', '0123456789'),
    { op: 'patch', path: 'd/e/a', offset: 12, bytes: bytes('xy') },
    { op: 'patch', path: 'd/e/a', offset: 'end', bytes: bytes('z') },
    { op: 'patch', path: 'd/e/a', offset: 99, bytes: bytes('') },
    { op: 'move', from: 'd/e', to: 'f/g' },
    { op: 'link', path: 'l', target: 'f' },
    { op: 'mkdir', path: 'm' },
  ]
  const tree = treeOf(...steps)
  expect([...tree.keys()].toSorted()).toEqual(['d', 'f', 'f/g', 'f/g/a', 'l', 'm'])
  expect(tree.get('f/g/a')).toEqual({ kind: 'file', bytes: bytes('0123456789\0\0xyz') })
  expect([...applyStep(tree, { op: 'rmdir', path: 'f' }).keys()].toSorted()).toEqual(['d', 'l', 'm'])
  const resized = applyStep(tree, { op: 'resize', path: 'f/g/a', size: 3 })
  expect(resized.get('f/g/a')).toEqual({ kind: 'file', bytes: bytes('012') })
})
