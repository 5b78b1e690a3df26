"""What other systems call our fields: header words by field key, for proposals of the column mapping."""

from __future__ import annotations

CUSTOMER: dict[str, str] = {
    "name": "姓名 客户姓名 客户名称 客户名 会员姓名 收货人 收货人姓名 收件人 收件人姓名 联系人 真实姓名 full_name customer_name",
    "nickname": "昵称 用户昵称 微信昵称 粉丝昵称 会员昵称 网名 用户名 nick nick_name",
    "gender": "性别 sex",
    "birthday": "生日 出生日期 出生年月日 birth birth_date date_of_birth",
    "phone": "手机 手机号 手机号码 联系手机 联系电话 电话 电话号码 联系方式 收货人手机 收件人手机 收件人手机号 收件人电话 移动电话 "
    "会员手机 mobile tel telephone cellphone phone_number",
    "email": "邮箱 电子邮箱 电子邮件 邮件 e-mail mail",
    "wechat": "微信 微信号 微信id wechat_id",
    "province": "省 省份 所在省 收货省份",
    "city": "市 城市 所在城市 收货城市 地市",
    "region": "区 区县 县区 所在区 district county",
    "@address": "地址 收货地址 详细地址 联系地址 收件地址 收件人地址 address",
    "channel": "渠道 来源渠道 平台 销售渠道 platform",
    "source": "来源 客户来源 线索来源",
    "stage": "阶段 客户阶段",
    "level": "等级 会员等级 客户等级 vip等级",
    "owner": "负责人 跟进人 所属客服 归属人 导购 销售 sales",
    "first_seen_at": "首次出现 注册时间 建档时间 入会时间 加粉时间 registered_at",
    "remark": "备注 客户备注 说明 note notes comment",
    "tags": "标签 客户标签 会员标签 tag",
}
IDENTITIES: dict[str, str] = {
    "member_no": "会员号 会员编号 会员卡号 会员id 卡号 客户编号 客户id member_id customer_id customer_no user_id 用户编号",
    "taobao_nick": "买家会员名 买家昵称 旺旺 旺旺号 淘宝昵称 淘宝账号 会员名 买家旺旺",
    "douyin_id": "抖音号 抖音id 用户抖音号",
    "kuaishou_id": "快手号 快手id",
    "wechat_unionid": "unionid 微信unionid",
    "wecom_external_userid": "外部联系人id external_userid",
    "xiaohongshu_id": "小红书号 小红书id",
    "bilibili_id": "b站uid 哔哩哔哩id",
    "youzan_id": "有赞id",
}
ORDER: dict[str, str] = {
    "number": "订单号 订单编号 订单id 主订单号 主订单编号 交易号 交易单号 单号 order_no order_id order_number",
    "channel": "渠道 平台 销售渠道 订单来源 platform",
    "shop": "店铺 店铺名称 门店 门店名称 网店 store",
    "status": "状态 订单状态 交易状态 order_status",
    "ordered_at": "下单时间 下单日期 订单创建时间 创建时间 拍下时间 订单提交时间 提交时间 买家下单时间 order_date",
    "paid_at": "付款时间 付款日期 支付时间 支付完成时间 订单付款时间 买家付款时间 成交时间 交易时间 消费时间 pay_time payment_date",
    "shipped_at": "发货时间 出库时间",
    "received_at": "收货时间 确认收货时间 完成时间 签收时间",
    "amount": "实付 实付金额 实付款 实际支付金额 支付金额 买家实际支付金额 买家实付金额 订单实付金额 付款金额 成交金额 消费金额 paid "
    "total_paid payment",
    "discount": "优惠 优惠金额 优惠总金额 折扣 折扣金额 discount_amount",
    "refunded": "退款 退款金额 已退金额 退款总额 refund refund_amount",
    "coupon": "优惠券 优惠券码 coupon_code",
    "remark": "备注 订单备注 买家留言 买家备注 商家备注 note",
}
ITEM: dict[str, str] = {
    "name": "商品 商品名称 商品标题 宝贝标题 选购商品 品名 产品名称 标题 item product_name",
    "category": "类目 商品类目 分类 品类",
    "quantity": "数量 商品数量 购买数量 宝贝总数量 件数 qty count",
    "price": "单价 商品单价 售价 价格 unit_price",
    "amount": "金额 小计 商品金额 商品总额 应付货款 subtotal",
}
PRODUCT: dict[str, str] = {
    "sku": "商品编码 商家编码 货号 sku编码 外部系统编号 条码",
    "name": ITEM["name"],
    "category": ITEM["category"],
    "price": ITEM["price"],
    "cost": "成本 成本价 进价",
    "stock": "库存 库存数量 可售库存",
    "active": "在售 上架 是否上架",
}
EVENT: dict[str, str] = {
    "at": "时间 互动时间 发生时间 观看时间 进入时间 日期 event_time timestamp occurred_at",
    "type": "互动类型 类型 事件 事件类型 行为 event event_type action",
    "watched": "观看时长 累计观看时长 停留时长 在线时长",
    "comments": "评论次数 评论数 评论 弹幕数",
    "likes": "点赞次数 点赞数 点赞",
    "shares": "分享次数 分享数",
    "gifts": "送礼次数 礼物数 打赏次数",
    "gift_value": "送礼金额 打赏金额 礼物金额",
    "fan_level": "粉丝团等级",
    "times": "次数 count",
    "content": "内容 评论内容 备注 text remark",
    "product": "商品 商品名称 product_name",
    "number": "互动编号 事件id event_id external_id",
}
CONSENT: dict[str, str] = {
    "purpose": "用途 同意用途 授权用途 目的 同意事项",
    "channel": "渠道 方式 联系方式 联系渠道 触达渠道",
    "state": "状态 是否同意 同意 同意状态 授权状态 是否授权 consent opt_in",
    "at": "时间 同意时间 授权时间 日期 登记时间 agreed_at consented_at timestamp",
    "source": "来源 同意来源 授权来源 获取方式",
    "evidence": "说明 依据 凭证 证据 备注 remark note proof",
}
BY_FORM: dict[str, dict[str, str]] = {
    "event_entry": EVENT,
    "consent_entry": CONSENT,
    "customer": CUSTOMER | IDENTITIES,
    "order": ORDER,
    "order_item": ITEM,
    "product": PRODUCT,
}


def words(form_key: str, key: str) -> list[str]:
    """Other names of a field; a form nobody wrote words for borrows those of customers (phones are phones)."""
    table = BY_FORM.get(form_key, CUSTOMER)
    return table.get(key, "").split()
