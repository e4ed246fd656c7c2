/** Sender of a request, for the audit trail. */
import type { Who } from '../../access/decide.ts'
import type { Dependencies } from './dependencies.ts'

/** `who` is the id of the sender's token, `from` the sender's address as shares know it. */
export const senderOf = (
  request: Request,
  { token }: Who,
  { resources }: Pick<Dependencies, 'resources'>,
): { readonly who: string | null; readonly from: string } => ({
  who: token?.id ?? null,
  from: resources.clientOf(request),
})
