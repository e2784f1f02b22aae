-- The rows of the table, in order.
return { "P01", "P04", "P08", "P09", "P10", "P11", "P12", "P13", "LeNet", "U02", "C03", "A05" }
