"""Paper: slips with a receipt's QR code, numbered slips and vouchers, on an ESC/POS printer or in a file.

`layout` says what stands on a slip, in characters a printer has; `printer` opens the one of config.json.
"""
