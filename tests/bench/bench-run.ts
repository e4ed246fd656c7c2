/** Runs rows of the bench at their smallest, for what they do and never for how long it takes. */
import { expect } from 'bun:test'
import { join } from 'node:path'
import type { Bench, Scenario } from '../../bench/harness/contract.ts'
import { projectRoot } from '../../bench/harness/machine.ts'
import { type RowResult, runScenarios } from '../../bench/harness/runner.ts'
import { scales } from '../../bench/harness/scale.ts'
import { Workspace } from '../../bench/harness/workspace.ts'

export async function runSmall(scenario: Scenario, rows: RegExp): Promise<readonly RowResult[]> {
  const workspace = new Workspace(join(projectRoot, '.cache'))
  const bench: Bench = {
    scale: scales.test,
    workspace,
    rivals: false,
    profileFolder: null,
    note: () => undefined,
  }
  try {
    return await runScenarios(bench, [scenario], {
      rounds: 1,
      wanted: ({ id }) => rows.test(id),
      takesPart: () => true,
      onRow: () => undefined,
    })
  } finally {
    await workspace.close()
  }
}

/** Everybody who takes part has worked, and all hold the same. */
export function expectWorked(results: readonly RowResult[], rows: number): void {
  expect(results.length).toBe(rows)
  for (const row of results) {
    const failures = row.contestants.filter(({ failed }) => failed !== undefined)
    expect([row.id, ...failures.map(({ name, failed }) => `${name}: ${failed}`)]).toEqual([row.id])
    const states = row.contestants.flatMap(({ state }) => (state === null ? [] : [state]))
    expect([row.id, new Set(states).size <= 1, row.statesAgree]).toEqual([row.id, true, true])
    const own = row.contestants.filter(({ role, absent }) => role === 'stillpoint' && absent === undefined)
    expect(own.length).toBeGreaterThan(0)
    for (const { name, values } of own) {
      const [metric] = row.metrics
      const value = values[metric.name]?.median ?? Number.NaN
      expect([row.id, name, Number.isFinite(value) && value > 0]).toEqual([row.id, name, true])
    }
  }
}
