/** The methods that carry files to and from the drone. */
import { onAbort } from '../../wait/abort.js';
import type { FileTransferResult } from '../wire/methods.js';
import { readOrder, type TransferMethod } from '../transfer/order.js';
import type { TransferReport } from '../wire/messages.js';
import { Cancelled, type CallContext } from './call-context.js';

/** Named in the warning; the result has more. */
const MAX_SHOWN = 10;
const NOTHING = { bytes: 0, files: 0, folders: 0, links: 0 };

export function transferBy(
  method: TransferMethod,
): (context: CallContext, ...args: unknown[]) => Promise<FileTransferResult> {
  return async (context, ...args) => {
    const order = readOrder(method, args);
    const transfer = context.openTransfer(order);
    const { side } = transfer;
    onAbort(context.signal, () => side.cancel());
    const own = await side.run();
    if (side.far === undefined) transfer.report(own);
    // The worker thread's side is over, too, when the call is answered: nothing partial is left there either.
    const far = await side.farReport;
    if (context.signal.aborted) throw new Cancelled(true);
    return resultOf(context, order.tolerateFailure, own, far);
  };
}

function resultOf(
  context: CallContext,
  tolerateFailure: boolean,
  own: TransferReport,
  far: TransferReport,
): FileTransferResult {
  const { counts = far.counts ?? NOTHING, leftOut = far.leftOut ?? [], error = far.error } = own;
  if (error !== undefined && !tolerateFailure) throw error as Error;
  for (const { warning } of [own, far]) if (warning !== undefined) context.warn(warning);
  if (leftOut.length > 0) {
    const more = leftOut.length > MAX_SHOWN ? ` and ${String(leftOut.length - MAX_SHOWN)} more` : '';
    context.warn(`left out, as neither file nor folder nor link: ${leftOut.slice(0, MAX_SHOWN).join(', ')}${more}`);
  }
  const result = { ...NOTHING, ...counts, leftOut };
  if (error === undefined) return result;
  const { message, code } = error as NodeJS.ErrnoException;
  return {
    ...result,
    failure: { side: own.error === undefined ? 'controller' : 'drone', code: String(code), message },
  };
}
