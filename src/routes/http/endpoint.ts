/**
 * One endpoint of the published contract, with its handler. The app and the OpenAPI documents are both made from the
 * same list of endpoints, so neither can have an endpoint that the other lacks.
 */
import type { RouteConfig } from '@hono/zod-openapi'
import type { Dependencies, MirrorDependencies, PrimaryDependencies, ServerRole } from './dependencies.ts'
import type { Action } from '../../access/decide.ts'
import type { Example } from '../examples/example.ts'
import type { Permit } from './permit.ts'
import type { RequestTarget } from './raw-url.ts'

/** The app has decided the action and the path of the address before; `permit` decides the paths of a body. */
export type Handler = (
  request: Request,
  target: RequestTarget,
  permit: Permit,
) => Response | Promise<Response>

/**
 * The action of an endpoint, and the place of the paths in its requests. A path in the address is decided
 * before the handler runs; a handler gets a path of a body from its permit.
 */
type Access =
  | { readonly action: Exclude<Action, 'read' | 'query' | 'write'> }
  | { readonly action: 'read' | 'write'; readonly paths: 'in the address' | 'in the body' }
  /** The root. */
  | { readonly action: 'query'; readonly paths: 'in the address' }

type Method = 'get' | 'head' | 'put' | 'patch' | 'post' | 'delete'

/** Documents and metrics that the app itself offers to its handlers. */
export interface AppParts {
  openApi(): string
  docs(): string
  metrics(): Promise<{ readonly contentType: string; readonly text: string }>
}

interface Contract {
  readonly method: Method
  /** Published path. A path has at most one parameter, at its end; `{path}` stands for several segments. */
  readonly path: string
  readonly access: Access
  readonly contract: Omit<RouteConfig, 'method' | 'path'>
  /** A test says which endpoint has none. */
  readonly examples?: readonly Example[]
}

export type Endpoint = Contract &
  (
    | { readonly on: 'both'; readonly handler: (dependencies: Dependencies, app: AppParts) => Handler }
    | { readonly on: 'primary'; readonly handler: (dependencies: PrimaryDependencies) => Handler }
    | { readonly on: 'mirror'; readonly handler: (dependencies: MirrorDependencies) => Handler }
  )

export const isServedBy = (endpoint: Endpoint, role: ServerRole): boolean =>
  endpoint.on === 'both' || endpoint.on === role

/** Null when this role does not have the endpoint. */
export function makeHandler(endpoint: Endpoint, dependencies: Dependencies, app: AppParts): Handler | null {
  if (endpoint.on === 'both') return endpoint.handler(dependencies, app)
  if (endpoint.on === 'primary') {
    return dependencies.role === 'primary' ? endpoint.handler(dependencies) : null
  }
  return dependencies.role === 'mirror' ? endpoint.handler(dependencies) : null
}
