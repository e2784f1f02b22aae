--- What people who come from PyTorch, Keras, fastai or Torch7 call things, and what these are called here, or why they are not
-- needed. Keys are in lower case without underscores. An answer that begins with "=" is the name here, used where the object has
-- it; others are sentences, said after "there is no 'x'; ". `any` is for every table and object.
local no_gpu = "everything runs on the processor, there is no GPU to choose; pl.system.threads(n) says how many threads"
local passes = "there is no mode to set: model:forward(x) is a training pass, model:infer(x) and model:evaluate(split) are not"
local experiment = "training is an experiment's: pl.experiment { model = ..., loss = ..., ... } and e:run()"
local conv, pool, norm = "write nn.Conv2d(in, out, kernel)", "write nn.MaxPool2d(size)", "write nn.BatchNorm(features)"
local average, linear, entropy = "write nn.AvgPool2d(size)", "write nn.Linear(in, out)", "write nn.CrossEntropy(), which takes logits"
local flatten = "write nn.Flatten(), or nn.Reshape { sizes }"
local inits = 'an initializer is an option: nn.Linear(in, out, { init = "he" }); also "xavier", "lecun", a function'
local loop = "write for x, y in train:batches(64, { shuffle = true, seed = epoch }) do ... end"
local state = "model:state() lists them; model:save(path) and nn.load(path) keep them in a file"
local early = "write pl.stopping.patience { monitor = \"val_loss\", patience = 3 }"
local lr = "the learning rate is the optimizer's: optim.Adam { lr = 0.001 }"
local affine = "write pl.augment.affine { rotate = 15, zoom = 0.1, shift = 0.1 }"

return {
  any = { cuda = no_gpu, gpu = no_gpu, device = no_gpu, todevice = no_gpu, mps = no_gpu, cpu = no_gpu },
  nn = {
    conv2d = conv, convolution2d = conv, spatialconvolution = conv, spatialconvolutionmm = conv, conv = conv,
    conv1d = "images [N, H, W, C] are what nn.Conv2d works on; give one of height 1",
    maxpooling2d = pool, spatialmaxpooling = pool, maxpool = pool,
    averagepooling2d = average, spatialaveragepooling = average, averagepool = average,
    adaptiveavgpool2d = "write nn.GlobalAvgPool2d()", globalaveragepooling2d = "write nn.GlobalAvgPool2d()",
    batchnorm2d = norm, batchnorm1d = norm, batchnormalization = norm, spatialbatchnormalization = norm,
    dense = linear, fullyconnected = linear, fc = linear, affine = linear, lazylinear = linear,
    crossentropyloss = entropy, crossentropycriterion = entropy, categoricalcrossentropy = entropy, softmaxcrossentropy = entropy,
    sparsecategoricalcrossentropy = entropy, classnllcriterion = "write nn.CrossEntropy() on logits, or nn.NLL() after nn.LogSoftmax()",
    nllloss = "write nn.NLL()", mseloss = "write nn.MSE()", msecriterion = "write nn.MSE()", meansquarederror = "write nn.MSE()",
    bceloss = "write nn.BCE(); see help(nn.BCE) for logits or probabilities", bcecriterion = "write nn.BCE()",
    bcewithlogitsloss = "write nn.BCE(), which takes logits", binarycrossentropy = "write nn.BCE()",
    smoothl1loss = "write nn.Huber()", huberloss = "write nn.Huber()", l1loss = "nn.Huber() is near; a loss may also be a function",
    dropout2d = "write nn.Dropout(p)", spatialdropout = "write nn.Dropout(p)", view = flatten, unflatten = "write nn.Reshape { sizes }",
    logsoftmax = "=LogSoftmax", activation = "an activation is a layer: nn.ReLU(), nn.Tanh(), nn.Sigmoid(), ...",
    module = "models are nn.Sequential { ... } and nn.Residual { ... }; a layer of your own is nn.Lambda { forward = ..., backward = ... }",
    modulelist = "write nn.Sequential { ... }", container = "write nn.Sequential { ... }", model = "write nn.Sequential { ... }",
    functional = "activations are layers (nn.ReLU()) and methods of tensors (t:relu())", f = "write nn.ReLU(), or t:relu()",
    init = inits, initializers = inits, parameter = "layers make their parameters; nn.Lambda is for a layer of your own",
    dataparallel = "all cores are used as it is; pl.system.threads(n) says how many",
    input = "no input layer is needed: model:build { 28, 28, 1 }, or the first batch, says the shape",
    inputlayer = "no input layer is needed: model:build { 28, 28, 1 }, or the first batch, says the shape",
    swish = "=SiLU", skip = "=Residual", add = "write nn.Residual { branch, shortcut }",
  },
  optim = {
    adam = "write optim.Adam { lr = 0.001 }", sgd = "write optim.SGD { lr = 0.1, momentum = 0.9 }", adagrad = "=AdaGrad",
    momentum = "write optim.SGD { lr = 0.1, momentum = 0.9 }", nesterov = "write optim.SGD { lr = 0.1, momentum = 0.9, nesterov = true }",
    lrscheduler = "schedules are in pl.schedule: pl.schedule.step { every = 10, factor = 0.1 }, ...", radam = "=Adam",
    lbfgs = "help(pl.optim) lists the optimizers", optimizer = "help(pl.optim) lists the optimizers",
  },
  schedule = {
    steplr = "write pl.schedule.step { every = 10, factor = 0.1 }", multisteplr = "write pl.schedule.multi_step { at = { 30, 60 } }",
    exponentiallr = "write pl.schedule.exponential { factor = 0.9 }", cosineannealinglr = "write pl.schedule.cosine {}",
    cosineannealing = "write pl.schedule.cosine {}", cosinedecay = "write pl.schedule.cosine {}", onecyclelr = "write pl.schedule.one_cycle { max = 0.1 }",
    reducelronplateau = "write pl.schedule.plateau { patience = 10 }", exponentialdecay = "write pl.schedule.exponential { factor = 0.9 }",
    lambdalr = "a function is a schedule: schedule = function(epoch, lr) return ... end", warmup = "write pl.schedule.cosine { warmup = 5 }",
  },
  stopping = { earlystopping = early, early = early, earlystop = early },
  augment = {
    rotate = affine, rotation = affine, randomrotation = affine, zoom = affine, shift = affine, translate = affine, randomaffine = affine,
    randomcrop = "write pl.augment.affine { shift = 0.1 }", crop = "write pl.augment.affine { shift = 0.1 }", scale = affine,
    randomerasing = "=cutout", erase = "=cutout", gaussiannoise = "=noise", sequential = "=compose", chain = "=compose",
    flip = "a function may alter a batch: augment = function(x, y, ctx) ... return x end",
    randomhorizontalflip = "a function may alter a batch: augment = function(x, y, ctx) ... return x end",
  },
  data = {
    dataloader = loop, loader = loop, tensordataset = "write data.from_tensors { x = x, y = y }", arraydataset = "write data.from_tensors { x = x, y = y }",
    load = "data sets are functions: data.mnist(), data.digits {}, data.from_tensors {}, data.idx {}, data.hdf5 {}",
    cifar10 = "there are data.mnist, data.fashion_mnist, data.kmnist, and data.idx, data.hdf5 and data.from_tensors for your own",
    imagefolder = "images come as tensors, IDX or HDF5: data.from_tensors {}, data.idx {}, data.hdf5 {}",
    csv = "read it with io.lines into tables, then data.from_tensors { x = pl.tensor(rows), y = ... }",
  },
  pl = {
    fromnumpy = "files carry arrays: pl.load(path, { foreign = true }) reads HDF5 as h5py writes it", array = "=tensor",
    manualseed = "=seed", randomseed = "=seed", nograd = "none is needed: model:infer(x) keeps nothing for a backward pass", concat = "=cat",
    concatenate = "=cat", floattensor = "write pl.zeros(sizes) or pl.tensor { ... }", asarray = "=tensor", fromfile = "=load",
    losses = "losses are in nn: nn.CrossEntropy(), nn.MSE(), ...", loss = "losses are in nn: nn.CrossEntropy(), nn.MSE(), ...",
    layers = "layers are in nn: nn.Linear(in, out), nn.Conv2d(in, out, kernel), ...", optimizers = "=optim", optimizer = "=optim",
    models = "models are made of layers: nn.Sequential { ... }; `perilune run experiments/...` trains known ones",
    callbacks = "callbacks are functions: pl.experiment { callbacks = { on_epoch = function(ctx) ... end } }",
    datasets = "=data", dataset = "=data", utils = "help() lists what there is", setnumthreads = "write pl.system.threads(n)",
    functional = "activations are layers (nn.ReLU()) and methods of tensors (t:relu())", train = experiment, fit = experiment,
    scheduler = "=schedule", schedules = "=schedule", transforms = "=augment", augmentation = "=augment", earlystopping = early,
  },
  layer = {
    train = passes, eval = passes, evaluatemode = passes, training = passes, traininginference = passes, to = no_gpu,
    half = "computations are in f32", float = "computations are in f32", double = "computations are in f32", type = "=type",
    statedict = state, loadstatedict = "nn.load(path) gives the model that model:save(path) wrote", weights = state, getweights = state,
    setweights = "assign: layer.weight = tensor, or copy into model:state()[i].tensor", fit = experiment, compile = experiment,
    trainonbatch = experiment, updateoutput = "write model:forward(x)", updategradinput = "write model:backward(grad)",
    getparameters = "=parameters", zerogradparameters = "write model:zero_grad()", updateparameters = "write opt:bind(model), then opt:step()",
    trainableparameters = "=parameters", namedparameters = "=parameters", countparams = "=count", numparameters = "=count",
    apply = inits, initialise = "=initialize", resetparameters = "=initialize",
    add = "layers are listed when the model is made: nn.Sequential { nn.Flatten(), nn.Linear(784, 10) }",
    append = "layers are listed when the model is made: nn.Sequential { nn.Flatten(), nn.Linear(784, 10) }",
    layers = "layers are items: model[1], #model, model:find \"name\"", children = "layers are items: model[1], #model, model:find \"name\"",
    modules = "layers are items: model[1], #model, model:find \"name\"", get = "layers are items: model[1], model[-1]",
    getlayer = "=find", predictclasses = "=predict", predictproba = "=probabilities", call = "write model:forward(x) or model:infer(x)",
    wieght = "=weight", gradweight = "write layer.weight_grad", gradbias = "write layer.bias_grad", size = "=sizes", shape = "=sizes",
    load = "write nn.load(path)", requiresgrad = "all parameters are trained", freeze = "all parameters are trained",
  },
  optimizer = {
    zerograd = "gradients are the model's: model:zero_grad()", statedict = "opt:state() lists its memory, opt:counters() its counters",
    loadstatedict = "a run continues by itself; opt:set_counters and opt:state() are for your own", minimize = "write opt:step()",
    paramgroups = "write opt.lr; groups of layers are an option: optim.SGD { groups = ... }", learningrate = "=lr", learnrate = "=lr",
    applygradients = "=step", update = "=step", add = "write opt:bind(model)",
  },
  tensor = {
    view = "write t:reshape(sizes)", viewas = "write t:reshape(u.shape)", resize = "write t:reshape(sizes)", numpy = "write t:totable()", tolist = "write t:totable()",
    float = 'write t:to "f32"', double = 'numbers are f32: t:to "f32"', long = 'write t:to "i32"', int = 'write t:to "i32"',
    byte = 'write t:to "u8"', type = "write t.dtype, or t:to \"f32\"", astype = 'write t:to "f32"', dtypeof = "=dtype",
    backward = "a tensor knows no gradient: local value, grad = loss(output, y), then model:backward(grad)",
    requiresgrad = "a tensor knows no gradient: local value, grad = loss(output, y), then model:backward(grad)",
    detach = "that is not needed, a tensor knows no gradient; t:clone() copies", data = "that is not needed, a tensor is its data",
    dot = "write t:mul(u):sum(), or t:matmul(u)", mm = "=matmul", bmm = "=matmul", addmm = "write t:matmul(u) + v", flatten = "write t:reshape(-1)",
    ravel = "write t:reshape(-1)", numel = "=count", nelement = "=count", ndim = "=dim", ndimension = "=dim", len = "write #t", length = "write #t",
    power = "=pow", multiply = "=mul", cmul = "=mul", cdiv = "=div", subtract = "=sub", divide = "=div", narrow = "=slice", copy = "write t:clone() or t:copy_(u)",
    swapaxes = "=transpose", t = "=T", swapdims = "=transpose", cat = "write pl.cat({ t, u }, axis)", item0 = "=item", greater = "=gt", less = "=lt",
    repeattensor = "write t:expand(sizes)", unsqueezedim = "=unsqueeze", zero = "=zero_", fill = "=fill_", softmax = "write nn.Softmax():infer(t)",
  },
  loss = {
    backward = "a loss gives the gradient itself: local value, grad = loss(output, y), then model:backward(grad)",
    forward = "a loss is called: local value, grad = loss(output, y)", item = "a loss is called: local value, grad = loss(output, y)",
    gradinput = "a loss is called: local value, grad = loss(output, y)",
  },
  dataset = {
    batches = "batches are those of one split: for x, y in set.train:batches(64) do ... end", images = "write set.train:tensors()",
    split = "write set:validation(0.1)", trainset = "=train", testset = "=test", val = "write local train, test, held = set:splits()",
    validationset = "write set:validation(0.1)", trainlabels = "write set.train:tensors()", targets = "write set.train:tensors()",
    data = "write set.train:tensors()", size = "write #set.train", shuffle = "batches are shuffled: set.train:batches(64, { shuffle = true })",
    map = "augmentations are pl.augment, or functions, in an experiment's field augment", normalize = "=standardize", take = "write set:subset { first = n }",
  },
  split = {
    images = "write split:tensors()", data = "write split:tensors()", targets = "write split:tensors()", length = "write #split", size = "write #split",
    shuffle = "write split:batches(64, { shuffle = true })", loader = "=batches", split = "write split:validation(0.1)", normalize = "=standardize",
    take = "write split:subset { first = n }", read_ = "=read", x = "write split:tensors()", y = "write split:tensors()",
  },
  experiment = {
    lr = "the learning rate is the optimizer's: e.optimizer.lr, or e:with { optimizer = optim.Adam { lr = 0.001 } }",
    learningrate = "the learning rate is the optimizer's: e.optimizer.lr, or e:with { optimizer = optim.Adam { lr = 0.001 } }",
    fit = "write e:run()", train = "write e:run()", start = "write e:run()", evaluate = "write e.model:evaluate(split)",
    history = "a run has it: local run = e:run(); run.history", test_ = "=test", predict = "write e.model:predict(x)",
  },
  run = {
    accuracy = "write run.test.accuracy, or run.history.val_accuracy", error = "write run.test.error", loss = "write run.test.loss",
    plot = "run:report() prints the result, `perilune show` a run's history", summary = "=report", print = "=report", metrics = "write run.evaluation",
  },
  history = {
    acc = "the columns are train_accuracy, val_accuracy, test_accuracy", accuracy = "the columns are train_accuracy, val_accuracy, test_accuracy",
    valacc = "did you mean 'val_accuracy'?", loss = "the columns are train_loss, val_loss, test_loss", error = "the columns are train_error, val_error, test_error",
    history = "columns are fields: history.train_loss", best = "run.best says the best epoch",
  },
  ctx = {
    stoptraining = "write ctx.stop(\"why\")", valloss = "write ctx.val.loss, or ctx.row.val_loss", trainloss = "write ctx.train.loss",
    testloss = "write ctx.test.loss", valaccuracy = "write ctx.val.accuracy", trainaccuracy = "write ctx.train.accuracy", valacc = "write ctx.val.accuracy",
    learningrate = "=lr", iteration = "=step", optim = "=optimizer", net = "=model", accuracy = "write ctx.val.accuracy or ctx.train.accuracy",
  },
  -- options of constructors and fields of an experiment
  option = {
    learningrate = "=lr", learnrate = "=lr", alpha = "=lr", wd = "=weight_decay", l2 = "=weight_decay", beta1 = "=betas", beta2 = "=betas", epsilon = "=eps",
    inchannels = "=in", outchannels = "=out", infeatures = "=in", outfeatures = "=out", filters = "=out", units = "=out", kernelsize = "=kernel",
    poolsize = "=kernel", strides = "=stride", pad = "=padding", usebias = "=bias", rate = "=p", prob = "=p", numfeatures = "=features",
    activation = "an activation is a layer of its own: put nn.ReLU() after it", kernelinitializer = "=init", biasinitializer = "=bias_init",
    inputshape = "no input shape is needed: model:build { 28, 28, 1 }, or the first batch, says it", dtype = "computations are in f32",
    weight = "classes have no weights here; write a loss as a function", classweight = "classes have no weights here; write a loss as a function",
    reduction = "the loss is the mean over the batch", fromlogits = "=logits", ignoreindex = "every label counts; leave such samples out of the data set",
    gamma = "=factor", stepsize = "=every", milestones = "=at", tmax = "=epochs", warmupepochs = "=warmup", monitored = "=monitor", rotation = "=rotate",
    degrees = "=rotate", scale = "=zoom", translate = "=shift", angle = "=rotate", probability = "=chance", batchsize = "=batch_size",
  },
  field = {
    lr = lr, learningrate = lr, criterion = "=loss", lossfunction = "=loss", optim = "=optimizer", net = "=model", network = "=model", epoch = "=epochs",
    maxepochs = "=epochs", nepochs = "=epochs", batch = "=batch_size", bs = "=batch_size", validationsplit = "=validation", valsplit = "=validation", val = "=validation",
    train = "the data set holds both splits: data = data.mnist()", traindata = "the data set holds both splits: data = data.mnist()",
    dataset = "=data", earlystopping = "=stopping", early = "=stopping", patience = early, scheduler = "=schedule", lrscheduler = "=schedule",
    transform = "=augment", transforms = "=augment", augmentation = "=augment", verbose = "say it when it runs: perilune run --quiet, e:run { quiet = true }",
    threads = "say it when it runs: perilune run --threads 2, e:run { threads = 2 }", out = "say it when it runs: perilune run --out DIR, e:run { out = DIR }",
    randomseed = "=seed", testset = "=test",
  },
  runoption = { lr = "an argument of the script says it (pl.arg), or e:with { optimizer = optim.Adam { lr = ... } }", verbose = "=quiet", epoch = "=epochs" },
  metric = {
    accuracy = "accuracy, error and loss are always there", error = "accuracy, error and loss are always there", loss = "accuracy, error and loss are always there",
    acc = "accuracy, error and loss are always there", f1 = "=macro_f1", precision = "=macro_precision", recall = "=macro_recall",
  },
  initializer = {
    kaiming = "he", kaimingnormal = "he", kaiminguniform = "he_uniform", henormal = "he", heuniform = "he_uniform", glorot = "xavier", glorotuniform = "xavier",
    xavieruniform = "xavier", glorotnormal = "xavier_normal", lecunnormal = "lecun", zero = "zeros", const = "constant", randomnormal = "normal",
  },
}
